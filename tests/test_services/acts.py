"""What is done to payments in the tests of recovery, and what is true once it is done."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from payments import get_payment_model

from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import refund as refunds
from tests.test_services.conftest import Shop

Act = Callable[[Any], Any]


def capture_six(payment: Any) -> Any:
    return captures.capture_payment(payment=payment, amount=Decimal(6))


def refund_six(payment: Any) -> Any:
    return refunds.refund_payment(payment=payment, amount=Decimal(6)).payment


def cancel(payment: Any) -> Any:
    return cancelling.cancel_payment(payment=payment)


#: name → (how to start, what to do, Stripe's path, what is true once it is done)
CASES: dict[str, tuple[str, Act, str, dict[str, Any]]] = {
    "capture": ("authorized", capture_six, "/capture", {"status": "confirmed", "captured_amount": Decimal(6)}),
    "refund": ("completed", refund_six, "/refunds", {"status": "confirmed", "refunded_amount": Decimal(6)}),
    "release": ("authorized", cancel, "/cancel", {"status": "cancelled", "captured_amount": Decimal(0)}),
    "expire": ("waiting", cancel, "/expire", {"status": "cancelled", "captured_amount": Decimal(0)}),
}
FAULTS = ["error_500_before", "error_500_after", "reset_before", "reset_after", "rate_limit"]


def path_of(payment: Any, end: str) -> str:
    """Return the path that an act posts to."""
    if end == "/refunds":
        return "/v1/refunds"
    return f"/v1/checkout/sessions/*{end}" if end == "/expire" else f"/v1/payment_intents/*{end}"


def effects(shop: Shop, end: str) -> int:
    """Return how many times Stripe has acted on requests to a path."""
    if end == "/refunds":
        return len(shop.stripe.all("refund"))
    kind = {
        "/capture": "payment_intent.succeeded",
        "/cancel": "payment_intent.canceled",
        "/expire": "checkout.session.expired",
    }[end]
    return len(shop.stripe.events(kind))


def holds(payment: Any, expected: dict[str, Any]) -> None:
    """Assert the payment's end state."""
    fresh = get_payment_model().objects.get(pk=payment.pk)
    assert {name: getattr(fresh, name) for name in expected} == expected
    assert not PaymentOperation.objects.pending().exists()
