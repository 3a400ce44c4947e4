"""Charges: what they were made with, and how much of one was refunded, in new API versions not by which refunds."""

from __future__ import annotations

from django_stripe_gateway.choices import RefundStatus, UnexpectedState, WebhookState
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.stripe.charges import paid_with
from django_stripe_gateway.gateways.stripe.payment_objects import (
    charge_amount,
    charge_refunds,
    object_id,
    refunded_total,
)
from django_stripe_gateway.models import AbstractPayment, Invoice, InvoiceRefund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.services.payments.paid_with import write_paid_with
from django_stripe_gateway.services.payments.unexpected import find_unexpected
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_invoice_refund
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAID
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.refunds import apply_event_refunds, needs_standing
from django_stripe_gateway.webhooks.stripe.payments import change_stripe_payment
from django_stripe_gateway.webhooks.stripe.registration import handles

LIVE = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED)


@handles("charge.refunded")
def handle_charge_refunded(event: Event) -> WebhookState:
    """Learn of refunds that are not known here, such as those made at the provider's dashboard."""
    return change_stripe_payment(
        event,
        "charge",
        lambda payment: _apply_refunds(event, payment),
        lambda invoice: _apply_invoice_refunds(event, invoice),
    )


def _apply_invoice_refunds(event: Event, invoice: Invoice) -> None:
    listed, intent_id = answers_of(event).look, clean_id(object_id(event.object.get("payment_intent")))
    found = listed if listed is not None else charge_refunds(event.object)
    known = InvoiceRefund.objects.using(payments_database()).filter(invoice=invoice, intent_id=intent_id).live()
    if found is None and sum(known.values_list("amount", flat=True), ZERO) < refunded_total(event.object):
        gateway = get_billing_gateway(invoice.variant)
        raise needs(event, look=lambda: gateway.list_invoice_refunds(intent_id))
    for snapshot in found or ():
        if not clean_id(snapshot.refund_id):
            raise SnapshotMismatch("a refund's id is malformed")
        apply_invoice_refund(invoice, snapshot, event.origin)


@handles("charge.succeeded", "charge.captured")
def handle_charge(event: Event) -> WebhookState:
    """Learn what a payment was made with, which its intent does not say; its own event moves it.

    Charges of invoices, and of others in this account, are nothing that a payment waits for.
    """
    state = change_stripe_payment(event, "charge", lambda payment: _note_charge(event, payment))
    return WebhookState.IGNORED if state == WebhookState.UNMATCHED else state


def _note_charge(event: Event, payment: AbstractPayment) -> None:
    charge, used = event.object, paid_with(event.object)
    intent_id = object_id(charge.get("payment_intent"))
    if used is None or not intent_id:
        return
    if payment.intent_id and intent_id != payment.intent_id:
        # An attempt that was left behind; should it have taken money all the same, its intent's event says so.
        raise SupersededAttempt(intent_id)
    if charge.get("currency", "").upper() != payment.currency or charge_amount(charge) != payment.total:
        # Its intent's or its page's event says so, with the reason; this one is about nothing but the card.
        return
    write_paid_with(payment, used)


def _apply_refunds(event: Event, payment: AbstractPayment) -> None:
    intent_id = object_id(event.object.get("payment_intent"))
    if intent_id and (payment.status not in PAID or intent_id != payment.intent_id):
        unexpected = find_unexpected(payment, intent_id)
        if unexpected is not None and unexpected.state != UnexpectedState.ACCEPTED:
            # Its refunds have events of their own, which say how much and whether it came off.
            return
    if intent_id and payment.intent_id and intent_id != payment.intent_id:
        raise SnapshotMismatch("intent differs")
    embedded = charge_refunds(event.object)
    if embedded is None and answers_of(event).standing is None and not _is_known(event, payment):
        raise needs_standing(event, payment, intent_id)
    apply_event_refunds(event, payment, embedded or (), intent_id)


def _is_known(event: Event, payment: AbstractPayment) -> bool:
    """Return whether as much is known to be refunded as the charge can have refunded."""
    most = refunded_total(event.object)
    if not most:
        # Nothing was captured: what such an event counts was released.
        return True
    # A refund of ours that the provider has not answered for may not be among those that the event counts.
    known = payment.refunds.using(payments_database()).filter(status__in=LIVE, provider_id__isnull=False)
    return sum(known.values_list("amount", flat=True), ZERO) >= most
