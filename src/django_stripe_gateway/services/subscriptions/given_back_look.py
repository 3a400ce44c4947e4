"""Ask the provider what was given back of an invoice, where its events may be lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.invoice_money import CreditNoteSnapshot
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import Invoice, InvoiceRefund
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.operations.reconcile import Reconciled, failure_of
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_credit_note, apply_invoice_refund
from django_stripe_gateway.services.subscriptions.invoices import read_invoice
from django_stripe_gateway.services.subscriptions.sync import lock_known_invoice
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

logger = logging.getLogger(__name__)


def look_up_given_back(invoice: Invoice, origin: Origin = SYSTEM) -> Invoice:
    """Bring the refunds and the credit notes of an invoice to what the provider says now, and return the invoice.

    Raises:
        GatewayError: the provider could not be asked.
    """
    gateway = billing_gateway_of(invoice.customer)
    refunds = [
        refund
        for payment in gateway.list_invoice_payments(invoice.provider_id)
        for refund in gateway.list_invoice_refunds(payment.intent_id)
    ]
    _write(invoice, refunds, gateway.list_credit_notes(invoice.provider_id), origin)
    return read_invoice(invoice.pk)


def reconcile_invoice_refunds(*, older_than: timedelta, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Ask the provider about every invoice of which a refund is under way for longer than ``older_than``.

    Nothing is asked before the result is iterated over. An error of the provider is an outcome, and never raised.
    """
    waiting = InvoiceRefund.objects.using(payments_database()).under_way().exclude(provider_id=None)
    waiting = waiting.filter(created__lt=timezone.now() - older_than)
    rows = Invoice.objects.using(payments_database()).select_related("customer", "subscription")
    for invoice in in_batches(rows.filter(pk__in=waiting.values("invoice"))):
        subject = f"refunds of invoice {invoice.pk}"
        if not invoice.is_of_configured_account:
            yield Reconciled(subject, "skipped", "of another account")
            continue
        try:
            current = look_up_given_back(invoice, origin)
        except GatewayError as error:
            yield Reconciled(subject, failure_of(error), error.detail)
        else:
            is_changed = current.refunded_amount != invoice.refunded_amount
            detail = f"{invoice.refunded_amount} → {current.refunded_amount}"
            yield Reconciled(subject, "changed" if is_changed else "unchanged", detail)


@retry_on_deadlock
def _write(
    seen: Invoice, refunds: Sequence[RefundSnapshot], notes: Sequence[CreditNoteSnapshot], origin: Origin
) -> None:
    with money_transaction():
        invoice = lock_known_invoice(seen)
        try:
            # The oldest first, as it happened.
            for refund in reversed(refunds):
                apply_invoice_refund(invoice, refund, origin)
            for note in reversed(notes):
                apply_credit_note(invoice, note, origin)
        except SnapshotMismatch as mismatch:
            logger.error("What was given back contradicts invoice %s: %s.", invoice.provider_id, mismatch)
