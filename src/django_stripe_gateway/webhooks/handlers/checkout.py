"""Checkout Sessions in payment mode: completed, settled or failed later, expired."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.webhooks.applying import apply_payment_event
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import handles


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
    return apply_payment_event(event, rejected=event.type == "checkout.session.async_payment_failed")
