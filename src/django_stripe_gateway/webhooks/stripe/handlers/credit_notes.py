"""Credit notes, whoever issued them."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_credit_note
from django_stripe_gateway.services.subscriptions.sync import lock_known_invoice
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import find_known_invoice, verify_account
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)


@handles("credit_note.created", "credit_note.updated", "credit_note.voided")
def handle_credit_note(event: Event) -> WebhookState:
    """Bring the credit note to its provider's state; its refunds have events of their own."""
    try:
        if event.object.get("object") != "credit_note":
            raise ProviderError("the event is not about a credit note")
        snapshot = get_billing_gateway(event.variant).read_credit_note(event.object)
        if not clean_id(snapshot.note_id) or not all(map(clean_id, snapshot.refund_ids)):
            raise ProviderError("an id is malformed")
        known = find_known_invoice(event, clean_id(snapshot.invoice_id))
        if known is None:
            return WebhookState.UNMATCHED
        invoice = lock_known_invoice(known)
        verify_account(event, invoice)
        apply_credit_note(invoice, snapshot, event.origin)
    except (SnapshotMismatch, ProviderError, RecursionError) as error:
        logger.error("The event %s about a credit note contradicts what is known: %s.", event.id, error)
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED
