"""Examples of the subscriptions API for its OpenAPI document, named after the handlers' operations."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.api.openapi.operations import Examples

_PRICING: dict[str, Any] = {
    "pricing_id": 2,
    "amount": "200.00",
    "currency": "USD",
    "interval": "month",
    "interval_count": 1,
    "trial_days": 0,
    "is_per_seat": False,
    "is_default": True,
    "usage_type": "licensed",
    "metric": "",
    "lookup_key": "premium_monthly",
    "may_be_added": False,
}
_ITEM: dict[str, Any] = {
    "item_id": "si_PQ4Xl2eZvKYlo2C1aBcDeFg",
    "kind": "plan",
    "pricing": _PRICING,
    "quantity": 1,
}
_SUPPORT: dict[str, Any] = _PRICING | {"pricing_id": 7, "amount": "15.00", "lookup_key": "", "is_per_seat": True}
_ADD_ON: dict[str, Any] = {
    "item_id": "si_PQ4Yl2eZvKYlo2C1aBcDeFg",
    "kind": "add_on",
    "pricing": _SUPPORT,
    "quantity": 2,
}
_LIMIT: dict[str, Any] = {"metric": "minutes", "limit": 180, "period": "day", "is_per_unit": False}
_SUBSCRIPTION: dict[str, Any] = {
    "subscription_id": "sub_1SPGrL2eZvKYlo2C1aBcDeFg",
    "status": "active",
    "valid": True,
    "plan": {"plan_id": 2, "slug": "premium", "name": "Premium", "limits": [_LIMIT]},
    "pricing": _PRICING,
    "currency": "USD",
    "quantity": 1,
    "items": [_ITEM],
    "scheduled_change": None,
    "cancel_at_period_end": False,
    "current_period_start": "2026-11-02T09:30:00Z",
    "current_period_end": "2026-12-02T09:30:00Z",
    "is_paused": False,
    "has_pending_update": False,
    "cancellation": {"reason": "", "comment": ""},
    "collection_method": "charge_automatically",
    "days_until_due": None,
    "discounts": [],
    "metadata": {},
    "created": "2026-11-02T09:30:00.123456Z",
    **dict.fromkeys(("cancel_at", "canceled_at", "ended_at", "trial_end", "pause_resumes_at")),
}
_SCHEDULED: dict[str, Any] = {
    "plan": {"plan_id": 1, "slug": "basic", "name": "Basic", "limits": []},
    "pricing": _PRICING | {"pricing_id": 1, "amount": "100.00"},
    "quantity": 1,
    "at": "2026-12-02T09:30:00Z",
}
_METHOD: dict[str, Any] = {
    "payment_method_id": "pm_1SPGrL2eZvKYlo2C1aBcDeFg",
    "kind": "card",
    "brand": "visa",
    "last4": "4242",
    "exp_month": 8,
    "exp_year": 2030,
    "is_default": True,
    "subscriptions": ["sub_1SPGrL2eZvKYlo2C1aBcDeFg"],
}
_SUBSCRIPTION_ID = {"subscription_id": _SUBSCRIPTION["subscription_id"]}

LIST_PLANS = Examples(
    answers={
        "Plans": {
            **{"plan_id": 2, "slug": "premium", "name": "Premium", "description": "", "auto_renew": True},
            **{"is_default": False, "pricing": [_PRICING], "limits": [_LIMIT | {"limit": None}]},
        },
        "Add-ons (kind=add_on)": {
            **{"plan_id": 5, "slug": "extra-minutes", "name": "Extra minutes", "description": "", "auto_renew": True},
            **{"is_default": False, "limits": [_LIMIT | {"limit": 60, "is_per_unit": True}]},
            "pricing": [_PRICING | {"pricing_id": 9, "amount": "5.00", "lookup_key": "", "may_be_added": True}],
        },
    }
)
LIST_SUBSCRIPTIONS = Examples(answers={"Subscriptions": _SUBSCRIPTION})
_INVOICE: dict[str, Any] = {
    "invoice_id": "in_1SPGrL2eZvKYlo2C1aBcDeFg",
    "number": "A1B2C3D4-0001",
    "status": "paid",
    "subscription_id": "sub_1SPGrL2eZvKYlo2C1aBcDeFg",
    "currency": "USD",
    **dict.fromkeys(("subtotal", "total", "amount_due", "amount_paid"), "200.00"),
    **dict.fromkeys(("tax", "amount_remaining", "refunded_amount", "credited_amount"), "0.00"),
    **{name: [] for name in ("refunds", "credit_notes", "disputes")},
    "hosted_url": "https://invoice.stripe.com/i/acct_1/test_a1b2c3",
    "pdf_url": "https://pay.stripe.com/invoice/acct_1/test_a1b2c3/pdf",
    "requires_action": False,
    "period_start": "2026-11-02T09:30:00Z",
    "period_end": "2026-12-02T09:30:00Z",
    "issued": "2026-11-02T09:30:00Z",
    "due": None,
    "paid_at": "2026-11-02T09:30:02Z",
}
LIST_INVOICES = Examples(answers={"Invoices": _INVOICE})
PAY_INVOICE = Examples(
    request={"payment_method": _METHOD["payment_method_id"]},
    answers={
        "Paid": _INVOICE,
        "The customer has to authenticate": _INVOICE
        | {
            "status": "open",
            "amount_paid": "0.00",
            "amount_remaining": "200.00",
            "requires_action": True,
            "paid_at": None,
            "client_secret": "pi_3SPGrL2eZvKYlo2C1aBcDeFg_secret_h1j2k3l4",
        },
    },
)
_REFUND = {
    "refund_id": "re_3SPGrL2eZvKYlo2C1aBcDeFg",
    "amount": "50.00",
    "status": "succeeded",
    "created": "2026-11-12T10:00:00Z",
}
_CREDIT_NOTE = {
    "credit_note_id": "cn_1SPGrL2eZvKYlo2C1aBcDeFg",
    "number": "A1B2C3D4-0001-CN-01",
    "amount": "50.00",
    "status": "issued",
    "pdf_url": "https://pay.stripe.com/credit_notes/acct_1/test_a1b2c3/pdf",
    "issued": "2026-11-12T10:00:00Z",
}
REFUND_INVOICE = Examples(
    request={"amount": "50.00", "reason": "requested_by_customer"},
    answers={"Refunded": _INVOICE | {"refunded_amount": "50.00", "refunds": [_REFUND]}},
)
ISSUE_CREDIT_NOTE = Examples(
    request={"amount": "50.00", "refund_amount": "50.00", "reason": "product_unsatisfactory"},
    answers={
        "Refunded": _INVOICE
        | {
            "refunded_amount": "50.00",
            "credited_amount": "50.00",
            "refunds": [_REFUND],
            "credit_notes": [_CREDIT_NOTE],
        }
    },
)
SUBSCRIBE = Examples(
    request={"plan_id": 2},
    answers={
        "Active at once (development, free plans)": _SUBSCRIPTION,
        "Waiting for its first payment": _SUBSCRIPTION
        | {
            "status": "incomplete",
            "valid": False,
            "client_secret": "pi_3SPGrL2eZvKYlo2C1aBcDeFg_secret_h1j2k3l4",
            "client_secret_kind": "payment",
        },
        "Waiting on Stripe Checkout": _SUBSCRIPTION
        | {
            "subscription_id": None,
            "status": "starting",
            "valid": False,
            "current_period_start": None,
            "current_period_end": None,
            "gateway_url": "https://checkout.stripe.com/c/pay/cs_test_a1b2c3",
        },
    },
)
CANCEL = Examples(
    request=_SUBSCRIPTION_ID | {"at_period_end": True},
    answers={"Runs until its period ends": _SUBSCRIPTION | {"cancel_at_period_end": True}},
)
RESUME = Examples(request=_SUBSCRIPTION_ID, answers={"Resumed": _SUBSCRIPTION})
CHANGE = Examples(
    request=_SUBSCRIPTION_ID | {"pricing_id": 2},
    answers={
        "Changed": _SUBSCRIPTION,
        "With at_period_end": _SUBSCRIPTION | {"scheduled_change": _SCHEDULED},
        "With preview": {
            "currency": "USD",
            "total": "120.00",
            "amount_due": "120.00",
            "tax": "0.00",
            "proration_date": "2026-11-12T10:00:00Z",
            "preview_token": ".eJxTOS5KLclMz1OyUjI0UdJRSi1O:1vJ8Qm:k3Y0b2x8",
            "lines": [
                {"description": "Unused time on Basic", "amount": "-80.00", "quantity": 1, "is_proration": True},
                {"description": "Remaining time on Premium", "amount": "200.00", "quantity": 1, "is_proration": True},
            ],
        },
    },
)
LIST_ITEMS = Examples(answers={"Items": _ADD_ON})
ADD_ITEM = Examples(
    request=_SUBSCRIPTION_ID | {"pricing_id": 7, "quantity": 2},
    answers={"Added": _SUBSCRIPTION | {"items": [_ITEM, _ADD_ON]}},
)
CHANGE_ITEM = Examples(
    request={"quantity": 3}, answers={"Changed": _SUBSCRIPTION | {"items": [_ITEM, _ADD_ON | {"quantity": 3}]}}
)
REMOVE_ITEM = Examples(answers={"Removed": _SUBSCRIPTION})
CANCEL_CHANGE = Examples(request=_SUBSCRIPTION_ID, answers={"Goes on as it is": _SUBSCRIPTION})
TRIAL = Examples(
    request=_SUBSCRIPTION_ID | {"trial_end": "2026-12-24T00:00:00Z"},
    answers={
        "Still in its trial": _SUBSCRIPTION | {"status": "trialing", "trial_end": "2026-12-24T00:00:00Z"},
        "With “now”": _SUBSCRIPTION,
    },
)
DISCOUNT = Examples(
    request=_SUBSCRIPTION_ID | {"promotion_code": "HALF"},
    answers={
        "Half the price": _SUBSCRIPTION
        | {"discounts": [{"coupon": "HALF_YEAR", "promotion_code": "promo_1SPGrL2eZvKYlo2C", "ends": None}]}
    },
)
PAUSE = Examples(
    request=_SUBSCRIPTION_ID | {"behavior": "void"}, answers={"Paused": _SUBSCRIPTION | {"is_paused": True}}
)
UNPAUSE = Examples(request=_SUBSCRIPTION_ID, answers={"Unpaused": _SUBSCRIPTION})
LIST_PAYMENT_METHODS = Examples(answers={"Payment methods": _METHOD})
ADD_PAYMENT_METHOD = Examples(
    request={"mode": "direct"},
    answers={
        "To confirm with Stripe.js": {
            "setup_id": "seti_1SPGrL2eZvKYlo2C1aBcDeFg",
            "client_secret": "seti_1SPGrL2eZvKYlo2C_secret_h1j2k3l4",
        },
        "On Stripe Checkout": {"gateway_url": "https://checkout.stripe.com/c/pay/cs_test_a1b2c3"},
    },
)
SET_DEFAULT_PAYMENT_METHOD = Examples(answers={"The default": _METHOD})
OPEN_PORTAL = Examples(
    request={"return_url": "https://shop.example.com/account/"},
    answers={"Portal": {"url": "https://billing.stripe.com/p/session/test_a1b2c3"}},
)

RETURN_PAGE = Examples(answers={"Started": {"status": "active", "plan": "Premium"}})
