"""Checkout Sessions in payment mode: completed, settled or failed later, expired."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.values import Failure
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.payments import apply_payment_event
from django_stripe_gateway.webhooks.stripe.registration import handles

# The session says no more than that it is unpaid; its intent's event brings the bank's own reason, if it comes first.
ASYNC_FAILURE = Failure(code="async_payment_failed", message="The bank did not make the payment.")


@handles(
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
def handle_checkout_session(event: Event) -> WebhookState:
    """Bring the payment to its session's state."""
    if event.object.get("mode") not in (None, "payment"):
        return WebhookState.IGNORED
    failed = event.type == "checkout.session.async_payment_failed"
    return apply_payment_event(event, "checkout.session", failure=ASYNC_FAILURE if failed else None)
