"""Invoices: made, finalised, paid, failed, written off."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import Invoice
from django_stripe_gateway.services.subscriptions.invoice_sync import announce_failed_payment
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.billing import apply_invoice_event
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles(
    "invoice.created",
    "invoice.updated",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_action_required",
    "invoice.upcoming",
    "invoice.voided",
    "invoice.marked_uncollectible",
)
def handle_invoice(event: Event) -> WebhookState:
    """Bring the invoice to its provider's state."""
    return apply_invoice_event(event)


@handles("invoice.payment_failed")
def handle_failed_payment(event: Event) -> WebhookState:
    """Bring the invoice to its provider's state, and notify receivers unless it is paid by now."""

    def announce(invoice: Invoice) -> None:
        if invoice.is_open and invoice.subscription is not None:
            announce_failed_payment(invoice, invoice.subscription)

    return apply_invoice_event(event, announce)
