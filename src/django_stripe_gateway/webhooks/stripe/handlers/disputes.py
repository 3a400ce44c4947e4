"""Disputes (chargebacks)."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe.payment_objects import dispute_snapshot
from django_stripe_gateway.services.payments.disputes import apply_dispute
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.payments import change_stripe_payment
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles(
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
def handle_dispute(event: Event) -> WebhookState:
    """Mark the payment as disputed, won or lost."""
    return change_stripe_payment(
        event, "dispute", lambda payment: apply_dispute(payment, dispute_snapshot(event.object), event.origin)
    )
