"""Refunds of payments and of invoices, whoever made them."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe.payment_objects import refund_snapshot
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_invoice_refund
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.refunds import apply_event_refunds
from django_stripe_gateway.webhooks.stripe.payments import change_stripe_payment
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
def handle_refund(event: Event) -> WebhookState:
    """Bring the refund, and with it the payment or the invoice, to the provider's state."""
    return change_stripe_payment(
        event,
        "refund",
        lambda payment: apply_event_refunds(event, payment, [refund_snapshot(event.object)]),
        lambda invoice: apply_invoice_refund(invoice, refund_snapshot(event.object), event.origin),
    )
