"""The words and examples of the subscriptions API in its OpenAPI document."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.api.schema import READ_ERRORS, WRITE_ERRORS, operation, path_parameter
from django_stripe_gateway.api.subscriptions.input_serializers import (
    CancelSubscriptionSerializer,
    ChangeSubscriptionSerializer,
    OpenPortalSerializer,
    PauseSubscriptionSerializer,
    SubscribeSerializer,
    SubscriptionIdSerializer,
)
from django_stripe_gateway.api.subscriptions.serializers import (
    InvoiceSerializer,
    PaymentMethodSerializer,
    PlanSerializer,
    PortalSerializer,
    SetupSerializer,
    SubscriptionSerializer,
)

TAG = "subscriptions"
METHOD_ID = path_parameter("payment_method_id", "The provider's id.", str)
LIST_ERRORS = tuple(sorted({400, *READ_ERRORS} - {404}))
# What names the plan or the subscription is in the body: an unknown one is bad input, another user's is not found.
ACTION_ERRORS = tuple(sorted({*WRITE_ERRORS, 402}))

PRICING: dict[str, Any] = {
    "pricing_id": 2,
    "amount": "200.00",
    "currency": "USD",
    "interval": "month",
    "interval_count": 1,
    "trial_days": 0,
    "is_per_seat": False,
}
LIMIT: dict[str, Any] = {"metric": "minutes", "limit": 180, "period": "day"}
PLAN: dict[str, Any] = {
    "plan_id": 2,
    "slug": "premium",
    "name": "Premium",
    "description": "",
    "auto_renew": True,
    "is_default": False,
    "pricing": [PRICING],
    "limits": [],
}
SUBSCRIPTION: dict[str, Any] = {
    "subscription_id": "sub_1SPGrL2eZvKYlo2C1aBcDeFg",
    "status": "active",
    "valid": True,
    "plan": {"plan_id": 2, "slug": "premium", "name": "Premium", "limits": [LIMIT]},
    "pricing": PRICING,
    "quantity": 1,
    "cancel_at_period_end": False,
    "cancel_at": None,
    "canceled_at": None,
    "ended_at": None,
    "current_period_start": "2026-11-02T09:30:00Z",
    "current_period_end": "2026-12-02T09:30:00Z",
    "trial_end": None,
    "is_paused": False,
    "pause_resumes_at": None,
    "has_pending_update": False,
    "metadata": {},
    "created": "2026-11-02T09:30:00.123456Z",
}
INCOMPLETE = SUBSCRIPTION | {
    "status": "incomplete",
    "valid": False,
    "client_secret": "pi_3SPGrL2eZvKYlo2C1aBcDeFg_secret_h1j2k3l4",
    "client_secret_kind": "payment",
}
ON_CHECKOUT = SUBSCRIPTION | {
    "subscription_id": None,
    "status": "starting",
    "valid": False,
    "current_period_start": None,
    "current_period_end": None,
    "gateway_url": "https://checkout.stripe.com/c/pay/cs_test_a1b2c3",
}
INVOICE: dict[str, Any] = {
    "invoice_id": "in_1SPGrL2eZvKYlo2C1aBcDeFg",
    "number": "A1B2C3D4-0001",
    "status": "paid",
    "subscription_id": "sub_1SPGrL2eZvKYlo2C1aBcDeFg",
    "currency": "USD",
    "subtotal": "200.00",
    "tax": "0.00",
    "total": "200.00",
    "amount_due": "200.00",
    "amount_paid": "200.00",
    "amount_remaining": "0.00",
    "hosted_url": "https://invoice.stripe.com/i/acct_1/test_a1b2c3",
    "pdf_url": "https://pay.stripe.com/invoice/acct_1/test_a1b2c3/pdf",
    "requires_action": False,
    "period_start": "2026-11-02T09:30:00Z",
    "period_end": "2026-12-02T09:30:00Z",
    "issued": "2026-11-02T09:30:00Z",
    "due": None,
    "paid_at": "2026-11-02T09:30:02Z",
}
PREVIEW: dict[str, Any] = {
    "currency": "USD",
    "total": "120.00",
    "amount_due": "120.00",
    "tax": "0.00",
    "proration_date": "2026-11-12T10:00:00Z",
    "lines": [
        {"description": "Unused time on Basic", "amount": "-80.00", "quantity": 1, "is_proration": True},
        {"description": "Remaining time on Premium", "amount": "200.00", "quantity": 1, "is_proration": True},
    ],
}
METHOD: dict[str, Any] = {
    "payment_method_id": "pm_1SPGrL2eZvKYlo2C1aBcDeFg",
    "kind": "card",
    "brand": "visa",
    "last4": "4242",
    "exp_month": 8,
    "exp_year": 2030,
    "is_default": True,
}
SETUP = {"setup_id": "seti_1SPGrL2eZvKYlo2C1aBcDeFg", "client_secret": "seti_1SPGrL2eZvKYlo2C_secret_h1j2k3l4"}
SUBSCRIPTION_ID = {"subscription_id": SUBSCRIPTION["subscription_id"]}

list_plans = operation(
    "plans_list",
    tag=TAG,
    summary="List the plans that are for sale, with their prices and limits",
    answer=PlanSerializer(many=True),
    examples={"Plans": PLAN},
    errors=(400, 429),
    public=True,
)
list_subscriptions = operation(
    "subscriptions_status",
    tag=TAG,
    summary="List your subscriptions, the newest first",
    answer=SubscriptionSerializer(many=True),
    examples={"Subscriptions": SUBSCRIPTION},
    errors=LIST_ERRORS,
)
list_invoices = operation(
    "invoices_list",
    tag=TAG,
    summary="List your invoices, the newest first",
    answer=InvoiceSerializer(many=True),
    examples={"Invoices": INVOICE},
    errors=LIST_ERRORS,
)
subscribe = operation(
    "subscriptions_subscribe",
    tag=TAG,
    summary="Subscribe to a plan",
    description=(
        "`plan_id` alone is enough. A `client_secret` says that the customer has to pay or to authenticate with "
        "Stripe.js; with `mode` “checkout” the answer has a `gateway_url` to send the customer to."
    ),
    request=SubscribeSerializer,
    request_example={"plan_id": 2},
    answer=SubscriptionSerializer,
    status=201,
    examples={
        "Active at once (development, free plans)": SUBSCRIPTION,
        "Waiting for its first payment": INCOMPLETE,
        "Waiting on Stripe Checkout": ON_CHECKOUT,
    },
    errors=tuple(sorted({*ACTION_ERRORS} - {404})),
    idempotent=True,
)
_action: dict[str, Any] = {
    "tag": TAG,
    "answer": SubscriptionSerializer,
    "errors": ACTION_ERRORS,
    "idempotent": True,
}
cancel = operation(
    "subscriptions_cancel",
    summary="Cancel a subscription: at the end of its period, or at once",
    request=CancelSubscriptionSerializer,
    request_example=SUBSCRIPTION_ID | {"at_period_end": True},
    examples={"Runs until its period ends": SUBSCRIPTION | {"cancel_at_period_end": True}},
    **_action,
)
resume = operation(
    "subscriptions_resume",
    summary="Take back a cancellation while the period still runs",
    request=SubscriptionIdSerializer,
    request_example=SUBSCRIPTION_ID,
    examples={"Resumed": SUBSCRIPTION},
    **_action,
)
change = operation(
    "subscriptions_change",
    summary="Change plan, price or quantity, or say what that would cost",
    description=(
        "With `preview` nothing is changed: the answer has the invoice that the change would lead to, and the "
        "`proration_date` to repeat the request with, so that it costs what it had said."
    ),
    request=ChangeSubscriptionSerializer,
    request_example=SUBSCRIPTION_ID | {"pricing_id": 2},
    examples={"Changed": SUBSCRIPTION, "With preview": PREVIEW},
    **_action,
)
pause = operation(
    "subscriptions_pause",
    summary="Stop collecting money for a subscription",
    request=PauseSubscriptionSerializer,
    request_example=SUBSCRIPTION_ID | {"behavior": "void"},
    examples={"Paused": SUBSCRIPTION | {"is_paused": True}},
    **_action,
)
unpause = operation(
    "subscriptions_unpause",
    summary="Collect money for a subscription again",
    request=SubscriptionIdSerializer,
    request_example=SUBSCRIPTION_ID,
    examples={"Unpaused": SUBSCRIPTION},
    **_action,
)
list_payment_methods = operation(
    "payment_methods_list",
    tag=TAG,
    summary="List your payment methods",
    answer=PaymentMethodSerializer(many=True),
    examples={"Payment methods": METHOD},
    errors=tuple(sorted({*ACTION_ERRORS} - {400, 402, 404, 409})),
)
add_payment_method = operation(
    "payment_methods_add",
    tag=TAG,
    summary="Add a payment method in the browser, with a SetupIntent",
    answer=SetupSerializer,
    status=201,
    examples={"To confirm with Stripe.js": SETUP},
    errors=tuple(sorted({*WRITE_ERRORS} - {404})),
    idempotent=True,
)
remove_payment_method = operation(
    "payment_methods_remove",
    tag=TAG,
    summary="Remove a payment method",
    status=204,
    errors=WRITE_ERRORS,
    parameters=(METHOD_ID,),
)
set_default_payment_method = operation(
    "payment_methods_set_default",
    tag=TAG,
    summary="Charge this payment method from now on",
    answer=PaymentMethodSerializer,
    examples={"The default": METHOD},
    errors=WRITE_ERRORS,
    parameters=(METHOD_ID,),
    idempotent=True,
)
open_portal = operation(
    "portal_open",
    tag=TAG,
    summary="Open Stripe's page where customers manage what they pay",
    request=OpenPortalSerializer,
    request_example={"return_url": "https://shop.example.com/account/"},
    answer=PortalSerializer,
    status=201,
    examples={"Portal": {"url": "https://billing.stripe.com/p/session/test_a1b2c3"}},
    errors=tuple(sorted({*WRITE_ERRORS} - {404})),
    idempotent=True,
)
