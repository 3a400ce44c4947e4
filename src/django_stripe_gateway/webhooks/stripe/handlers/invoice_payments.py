"""Payments of invoices: which PaymentIntent has paid which invoice."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe.fields import object_id, part
from django_stripe_gateway.models import Invoice
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import claimed_modes, speaks_for
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles("invoice_payment.paid")
def handle_invoice_payment(event: Event) -> WebhookState:
    """Note by which intent an invoice was paid: its refunds and disputes name nothing else."""
    invoice_id = clean_id(object_id(event.object.get("invoice")))
    intent_id = clean_id(object_id(part(event.object.get("payment")).get("payment_intent")))
    if not invoice_id or not intent_id:
        # Paid with something else than an intent.
        return WebhookState.PROCESSED
    rows = Invoice.objects.using(payments_database()).filter(variant__in=speaks_for(event), provider_id=invoice_id)
    for mode in claimed_modes(event):
        rows = rows.filter(livemode=mode)
    known = rows.values_list("intent_id", flat=True).first()
    if known is None:
        return event.because(WebhookState.UNMATCHED, "its invoice is not known yet")
    if not known or (known != intent_id and event.object.get("is_default") is True):
        rows.update(intent_id=intent_id)
        handle_arrivals(intent_id)
    return WebhookState.PROCESSED
