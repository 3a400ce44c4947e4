"""Which invoice a PaymentIntent, charge, refund or dispute is about.

Up to 2025-02-24.acacia an intent and a charge name their invoice. Since then an intent carries its invoice's id as the
reference of the order, a charge, refund or dispute carries none, and ``invoice_payment.paid`` tells both ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.gateways.stripe.fields import object_id
from django_stripe_gateway.gateways.stripe.intent_facts import named_invoice
from django_stripe_gateway.models import Invoice
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import claimed_modes, speaks_for


def invoice_of_intent(event: Event) -> Invoice | None:
    """Return the invoice of ours that the intent, charge, refund or dispute in ``event`` is about, or ``None``.

    It is not locked, and nobody is asked: one query by the intent, and one by the invoice where the object names it.
    Before a refund or a dispute of an intent that no row names is handled by others, this app's own handler has asked
    for its invoice, and has written the intent on it.
    """
    intent_id = intent_of(event.object)
    rows = Invoice.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    for mode in claimed_modes(event):
        rows = rows.filter(livemode=mode)
    invoice_id = clean_id(named_invoice(event.object))
    found = rows.filter(provider_id=invoice_id).first() if invoice_id else None
    return found or (rows.filter(intent_id=intent_id).order_by("pk").first() if intent_id else None)


def intent_of(obj: Mapping[str, Any]) -> str:
    """Return the id of the PaymentIntent that an object is, or belongs to; empty if it names none."""
    return clean_id(obj.get("id") if obj.get("object") == "payment_intent" else object_id(obj.get("payment_intent")))
