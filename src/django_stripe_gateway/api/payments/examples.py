"""Examples of the payments API for its OpenAPI document, named after the handlers' operations."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.api.openapi.errors import error_example
from django_stripe_gateway.api.openapi.operations import Examples

_CONFIRMED: dict[str, Any] = {
    "payment_id": 42,
    "status": "confirmed",
    "amount": "10.00",
    "currency": "USD",
    "authorized_amount": "10.00",
    "captured_amount": "10.00",
    "refunded_amount": "0.00",
    "gateway": "Stripe",
    "order_id": "ord_123",
    "description": "Local PI Test",
    "metadata": {"note": "local test"},
    "capture_method": "automatic",
    "created": "2026-11-02T09:30:00.123456Z",
    "modified": "2026-11-02T09:30:00.654321Z",
    "intent_id": "pi_3SPGrL2eZvKYlo2C1aBcDeFg",
    "payment_method_type": "card",
    "card_brand": "visa",
    "card_last4": "4242",
}
_OF_PAID = ("intent_id", "payment_method_type", "card_brand", "card_last4")
_WAITING = {name: value for name, value in _CONFIRMED.items() if name not in _OF_PAID} | {
    "payment_id": 99,
    "status": "waiting",
    "amount": "25.00",
    "authorized_amount": "0.00",
    "captured_amount": "0.00",
    "gateway_url": "https://checkout.stripe.com/c/pay/cs_test_a1b2c3",
}
_CLIENT_SECRET = "pi_3SPGrL2eZvKYlo2C1aBcDeFg_secret_h1j2k3l4"  # noqa: S105 (an example)
_INVALID = "invalid_request_error"
_BAD_CURSOR = error_example(_INVALID, "invalid", "The cursor is not valid.", field="cursor")
_BAD_FILTER = error_example(_INVALID, "invalid_choice", '"paid" is not a valid choice.', field="status")

LIST_GATEWAYS = Examples(
    answers={
        "Gateways": {"name": "Stripe", "variant": "stripe", "description": "Cards and wallets", "is_default": True}
    },
    errors={400: _BAD_CURSOR},
)
LIST_PAYMENTS = Examples(answers={"Payments": _CONFIRMED}, errors={400: _BAD_FILTER})
READ_PAYMENT = Examples(answers={"Confirmed": _CONFIRMED})
LIST_LOGS = Examples(
    answers={
        "Audit trail": {
            "log_id": 7,
            "event": "status_changed",
            "source": "webhook",
            "message": "waiting -> confirmed",
            "data": {"from": "waiting", "to": "confirmed", "captured_amount": "10.00"},
            "created": "2026-11-02T09:30:00.654321Z",
        }
    },
    errors={400: _BAD_CURSOR},
)
READ_FEES = Examples(
    answers={
        "Fees": {
            "currency": "USD",
            "amount": "10.00",
            "fee": "0.59",
            "net": "9.41",
            "net_after_refunds": "9.41",
            "exchange_rate": None,
            "available_on": "2026-11-04T00:00:00Z",
            "details": [
                {"kind": "stripe_fee", "amount": "0.59", "currency": "USD", "description": "Stripe processing fees"}
            ],
        }
    },
    errors={409: error_example("invalid_request_error", "not_booked", "The provider has not booked this payment yet.")},
)
CREATE_PAYMENT = Examples(
    request={name: _CONFIRMED[name] for name in "gateway amount currency description order_id metadata".split()},
    answers={
        "Confirmed at once (development)": _CONFIRMED | {"client_secret": _CLIENT_SECRET},
        "Waiting on Stripe Checkout": _WAITING,
    },
)
CAPTURE_PAYMENT = Examples(request={"amount": "10.00"}, answers={"Captured": _CONFIRMED | {"capture_method": "manual"}})
CONFIRM_INTENT = Examples(
    request={"payment_method": "pm_card_visa"},
    answers={
        "Confirmed": _CONFIRMED,
        "The customer has to authenticate": _CONFIRMED
        | {"status": "waiting", "authorized_amount": "0.00", "captured_amount": "0.00"}
        | {"client_secret": _CLIENT_SECRET, "requires_action": True},
    },
)
CANCEL_PAYMENT = Examples(answers={"Cancelled": _WAITING | {"status": "cancelled"}})
REFUND_PAYMENT = Examples(
    request={"amount": "3.00", "reason": "requested_by_customer"},
    answers={
        "3.00 of 10.00 given back": _CONFIRMED
        | {
            "refunded_amount": "3.00",
            "refund": {
                "refund_id": "re_3SPGrL2eZvKYlo2C1xYzAbCd",
                "amount": "3.00",
                "currency": "USD",
                "status": "succeeded",
                "reason": "requested_by_customer",
                "created": "2026-11-02T10:00:00.123456Z",
            },
        }
    },
)
CONFIRMATION_PAGE = Examples(
    answers={
        "The customer has to authenticate": {
            "payment_id": 99,
            "status": "waiting",
            "amount": "25.00",
            "currency": "USD",
            "requires_action": True,
            "action_url": "https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_1",
            "client_secret": _CLIENT_SECRET,
        }
    }
)
RETURN_PAGE = Examples(
    answers={"Paid": {"payment_id": 99, "status": "confirmed", "amount": "25.00", "currency": "USD"}}
)
