"""PaymentIntents."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.payments import apply_payment_event
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles(
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.processing",
)
def handle_payment_intent(event: Event) -> WebhookState:
    """Bring the payment to its intent's state."""
    return apply_payment_event(event, "payment_intent")
