"""Find the invoice that a refund, a dispute or a charge is about, by the payment that has paid it.

Since 2025-03-31.basil none of these names an invoice, and an invoice's events do not name its payment. So what is known
here is looked at first, then what the object itself says, and then the provider is asked, once for an event.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.stripe.intent_facts import named_invoice
from django_stripe_gateway.gateways.stripe.payment_objects import object_id
from django_stripe_gateway.models import Customer, Invoice
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.subscriptions.sync import apply_invoice, lock_known_invoice
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.answers import Answers, answers_of
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import FetchNeeded
from django_stripe_gateway.webhooks.stripe.billing import find_invoice, find_known_invoice, speaks_for, verify_account
from django_stripe_gateway.webhooks.stripe.invoice_intents import invoice_of_intent

logger = logging.getLogger(__name__)


def change_invoice_of_payment(event: Event, kind: str, change: Callable[[Invoice], object]) -> WebhookState:
    """Lock the invoice whose payment an event is about, and change it; a contradiction changes nothing.

    Args:
        kind: the object that events of this type are about.
        change: called with the locked invoice, whose customer is locked, too.
    """
    obj = event.object
    intent_id = clean_id(object_id(obj.get("payment_intent")))
    if obj.get("object") != kind or not clean_id(object_id(obj.get("id"))):
        return WebhookState.MISMATCHED
    if not intent_id:
        return WebhookState.UNMATCHED
    try:
        invoice = _lock_invoice(event, intent_id)
        if invoice is None:
            return WebhookState.UNMATCHED
        verify_account(event, invoice)
        change(invoice)
    except (SnapshotMismatch, ProviderError, RecursionError) as error:
        logger.error("The event %s contradicts the invoice of %s: %s.", event.id, intent_id, error)
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED


def _lock_invoice(event: Event, intent_id: str) -> Invoice | None:
    """Return the invoice that a payment pays, locked, or ``None``.

    Raises:
        FetchNeeded: only the provider can tell.
        SnapshotMismatch: the invoice is somebody else's than its subscription.
    """
    answers = answers_of(event)
    said_id = answers.facts.invoice_id if answers.facts is not None else ""
    known = invoice_of_intent(event) or find_known_invoice(event, clean_id(said_id))
    if known is not None:
        return _locked(known, intent_id)
    if answers.asked is None:
        if not _may_be_ours(event, said_id or named_invoice(event.object)):
            return None
        raise FetchNeeded(lambda: _ask(event, answers, intent_id))
    if answers.invoice is None or not clean_id(answers.invoice.invoice_id):
        return None
    known = find_known_invoice(event, answers.invoice.invoice_id)
    return _locked(known, intent_id) if known else _arrived(event, answers.invoice, answers.asked, intent_id)


def _may_be_ours(event: Event, invoice_id: str) -> bool:
    """Return whether it is worth asking for an invoice: one is named, or a customer who is known here.

    A refund or a dispute names neither. What its payment was made for is asked first; see ``state_without_payment``.
    """
    customers = Customer.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    customer_id = clean_id(object_id(event.object.get("customer")))
    is_known = bool(customer_id) and customers.filter(provider_id=customer_id).exists()
    return is_known or (bool(invoice_id) and customers.exists())


def _ask(event: Event, answers: Answers, intent_id: str) -> Answers:
    began, found = timezone.now(), None
    try:
        found = get_billing_gateway(event.variant).invoice_of_intent(intent_id)
    except UnsupportedByGateway:
        logger.info("Nobody can say which invoice %s pays.", intent_id)
    return dataclasses.replace(answers, asked=began, invoice=found)


def _locked(known: Invoice, intent_id: str) -> Invoice:
    """Return an invoice locked after its customer, with the payment that its own events do not name."""
    invoice = lock_known_invoice(known)
    _note_intent(invoice, intent_id)
    return invoice


def _arrived(event: Event, snapshot: InvoiceSnapshot, asked: datetime, intent_id: str) -> Invoice | None:
    """Return an invoice that nobody here knew, if its customer and its subscription are known."""
    invoice = find_invoice(event, snapshot)
    if invoice is None:
        return None
    if invoice._state.adding and judge(invoice, look=Look(None, asked, snapshot)) is Verdict.WRITE:
        apply_invoice(invoice, snapshot, event.origin)
    _note_intent(invoice, intent_id)
    return invoice


def _note_intent(invoice: Invoice, intent_id: str) -> None:
    if not invoice.intent_id:
        invoice.intent_id = intent_id
        invoice.save(using=payments_database(), update_fields=["intent_id", "modified"])
        handle_arrivals(intent_id)
