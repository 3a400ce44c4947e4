"""Invoices: made, finalised, paid, failed, written off."""

from __future__ import annotations

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import Invoice
from django_stripe_gateway.services.mails.writers import write_failed_invoice
from django_stripe_gateway.services.subscriptions.announcements import announce
from django_stripe_gateway.services.subscriptions.grace import note_under_way
from django_stripe_gateway.services.subscriptions.pay_invoice import put_back_what_was_charged
from django_stripe_gateway.webhooks.answers import answers_of
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.billing import apply_invoice_event
from django_stripe_gateway.webhooks.stripe.forms import was_told_in_other_form
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles(
    "invoice.created",
    "invoice.updated",
    "invoice.finalized",
    "invoice.payment_succeeded",
    "invoice.payment_action_required",
    "invoice.voided",
    "invoice.marked_uncollectible",
)
def handle_invoice(event: Event) -> WebhookState:
    """Bring the invoice to its provider's state."""
    return apply_invoice_event(event)


@handles("invoice.paid")
def handle_payment(event: Event) -> WebhookState:
    """Bring the invoice to its provider's state; what has paid it may have been meant for it alone."""
    return apply_invoice_event(event, lambda invoice: put_back_what_was_charged(invoice, event.origin))


@handles("invoice.payment_failed")
def handle_failed_payment(event: Event) -> WebhookState:
    """Bring the invoice to its provider's state, and announce it unless it is paid by now."""

    def announce_failure(invoice: Invoice) -> None:
        if answers_of(event).look is None:
            # What was under way is decided; whoever was asked instead knows better.
            note_under_way(invoice, is_under_way=False)
        if not invoice.is_open or was_told_in_other_form(event):
            return
        if invoice.subscription is not None:
            announce(signals.subscription_payment_failed, invoice.subscription, invoice=invoice)
        elif invoice.due is None:
            # Who is sent an invoice pays it on a page, and sees there what becomes of it.
            write_failed_invoice(None, invoice)

    return apply_invoice_event(event, announce_failure)
