"""The words and examples of the payments API in its OpenAPI document."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.api.payments.filters import PaymentFilterSerializer
from django_stripe_gateway.api.payments.serializers import (
    CapturePaymentSerializer,
    ConfirmPaymentSerializer,
    CreatePaymentSerializer,
    GatewaySerializer,
    PaymentLogSerializer,
    PaymentSerializer,
    RefundPaymentSerializer,
    ReturnPageSerializer,
)
from django_stripe_gateway.api.schema import READ_ERRORS, WRITE_ERRORS, operation, path_parameter, query_parameter

TAG = "payments"
PAYMENT_ID = path_parameter("payment_id", "The payment's id.")
SIGNATURE = query_parameter("signature", "Made by this site for this payment.", required=True)

CONFIRMED: dict[str, Any] = {
    "payment_id": 42,
    "status": "confirmed",
    "amount": "10.00",
    "currency": "USD",
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
}
WAITING: dict[str, Any] = {name: value for name, value in CONFIRMED.items() if name != "intent_id"} | {
    "payment_id": 99,
    "status": "waiting",
    "amount": "25.00",
    "captured_amount": "0.00",
    "gateway_url": "https://checkout.stripe.com/c/pay/cs_test_a1b2c3",
}
CLIENT_SECRET = "pi_3SPGrL2eZvKYlo2C1aBcDeFg_secret_h1j2k3l4"  # noqa: S105 (an example)
NEEDS_ACTION = CONFIRMED | {
    "status": "waiting",
    "captured_amount": "0.00",
    "client_secret": CLIENT_SECRET,
    "requires_action": True,
}
REFUNDED = CONFIRMED | {
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
LOG: dict[str, Any] = {
    "log_id": 7,
    "event": "status_changed",
    "source": "webhook",
    "message": "waiting → confirmed",
    "data": {"from": "waiting", "to": "confirmed", "captured_amount": "10.00"},
    "created": "2026-11-02T09:30:00.654321Z",
}
BAD_CURSOR = {
    "type": "invalid_request_error",
    "code": "invalid",
    "detail": "The cursor is not valid.",
    "field": "cursor",
}
BAD_FILTER = {
    "type": "invalid_request_error",
    "code": "invalid_choice",
    "detail": '"paid" is not a valid choice.',
    "field": "status",
}

list_gateways = operation(
    "gateways_list",
    tag="gateways",
    summary="List the active gateways",
    answer=GatewaySerializer(many=True),
    examples={
        "Gateways": {"name": "Stripe", "variant": "stripe", "description": "Cards and wallets", "is_default": True}
    },
    errors=(400, 401, 403, 429),
    error_examples={400: BAD_CURSOR},
)
list_payments = operation(
    "payments_list",
    tag=TAG,
    summary="List your payments, the newest first",
    answer=PaymentSerializer(many=True),
    examples={"Payments": CONFIRMED},
    errors=(400, 401, 403, 429),
    error_examples={400: BAD_FILTER},
    parameters=(PaymentFilterSerializer,),
)
read_payment = operation(
    "payments_read",
    tag=TAG,
    summary="Show a payment",
    answer=PaymentSerializer,
    examples={"Confirmed": CONFIRMED},
    parameters=(PAYMENT_ID,),
)
list_logs = operation(
    "payments_logs",
    tag=TAG,
    summary="List what has happened to a payment, the oldest first",
    answer=PaymentLogSerializer(many=True),
    examples={"Audit trail": LOG},
    errors=(400, *READ_ERRORS),
    error_examples={400: BAD_CURSOR},
    parameters=(PAYMENT_ID,),
)
create_payment = operation(
    "payments_create",
    tag=TAG,
    summary="Create a payment",
    description=(
        "In production the answer has a `gateway_url` to send the customer to (Stripe Checkout); with PaymentIntents "
        "it has an `intent_id` and, for Stripe.js, a `client_secret`. In development the payment is confirmed at once."
    ),
    request=CreatePaymentSerializer,
    request_example={
        "gateway": "Stripe",
        "amount": "10.00",
        "currency": "USD",
        "description": "Local PI Test",
        "order_id": "ord_123",
        "metadata": {"note": "local test"},
    },
    answer=PaymentSerializer,
    status=201,
    examples={
        "Confirmed at once (development)": CONFIRMED | {"client_secret": CLIENT_SECRET},
        "Waiting on Stripe Checkout": WAITING,
    },
    errors=tuple(sorted({*WRITE_ERRORS, 402} - {404})),
    idempotent=True,
)
_capture: dict[str, Any] = {
    "tag": TAG,
    "summary": "Capture an authorised payment, wholly or in part",
    "request": CapturePaymentSerializer,
    "request_example": {"amount": "10.00"},
    "answer": PaymentSerializer,
    "examples": {"Captured": CONFIRMED | {"capture_method": "manual"}},
    "errors": WRITE_ERRORS,
    "parameters": (PAYMENT_ID,),
    "idempotent": True,
}
capture_payment = operation("payments_capture", **_capture)
capture_intent = operation("payments_capture_intent", **_capture)
confirm_intent = operation(
    "payments_confirm_intent",
    tag=TAG,
    summary="Confirm a PaymentIntent, or carry on after its customer has authenticated",
    request=ConfirmPaymentSerializer,
    request_example={"payment_method": "pm_card_visa"},
    answer=PaymentSerializer,
    examples={"Confirmed": CONFIRMED, "The customer has to authenticate": NEEDS_ACTION},
    errors=tuple(sorted({*WRITE_ERRORS, 402})),
    parameters=(PAYMENT_ID,),
    idempotent=True,
)
cancel_payment = operation(
    "payments_cancel",
    tag=TAG,
    summary="Cancel a waiting payment, or release an authorised one",
    answer=PaymentSerializer,
    examples={"Cancelled": WAITING | {"status": "cancelled"}},
    errors=WRITE_ERRORS,
    parameters=(PAYMENT_ID,),
    idempotent=True,
)
refund_payment = operation(
    "payments_refund",
    tag=TAG,
    summary="Refund a payment, wholly or in part",
    description="Can be repeated until nothing is left. A refund may stay `pending` for days.",
    request=RefundPaymentSerializer,
    request_example={"amount": "3.00", "reason": "requested_by_customer"},
    answer=PaymentSerializer,
    examples={"3.00 of 10.00 given back": REFUNDED},
    errors=WRITE_ERRORS,
    parameters=(PAYMENT_ID,),
    idempotent=True,
)
_page: dict[str, Any] = {
    "tag": "return pages",
    "answer": ReturnPageSerializer,
    "examples": {"Paid": {"payment_id": 99, "status": "confirmed", "amount": "25.00", "currency": "USD"}},
    "errors": (404, 429),
    "parameters": (PAYMENT_ID, SIGNATURE),
    "public": True,
    "redirect": "To the page that the site has configured.",
}
_PAGE_DESCRIPTION = (
    "For the customer's browser: the provider's page sends it here with a signed address. Answers a page or JSON, or "
    "redirects (302) to the page that the site has configured."
)
success_page = operation("payments_success", summary="Come back after paying", description=_PAGE_DESCRIPTION, **_page)
failure_page = operation(
    "payments_failure", summary="Come back after giving up", description=_PAGE_DESCRIPTION, **_page
)
