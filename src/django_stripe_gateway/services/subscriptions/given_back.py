"""What was given back of an invoice, as its rows say: by refunds, and by credit notes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django_stripe_gateway.choices import CreditNoteStatus
from django_stripe_gateway.models import CreditNote, Invoice, InvoiceRefund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.models.invoice_refunds import LIVE_REFUNDS
from django_stripe_gateway.services.subscriptions.money_access import follow_money
from django_stripe_gateway.services.transactions import payments_database

# Of notes that were asked for nobody knows yet that they were not issued.
LIVE_NOTES = (CreditNoteStatus.PENDING, CreditNoteStatus.ISSUED)


def given_back(invoice: Invoice) -> Decimal:
    """Return what was given back of an invoice that is paid, or is about to be, whichever way."""
    refunds = list(InvoiceRefund.objects.using(payments_database()).filter(invoice=invoice))
    back = sum((refund.amount for refund in refunds if refund.status in LIVE_REFUNDS), ZERO)
    known = {refund.provider_id: refund.amount for refund in refunds}
    for note in _notes(invoice):
        if note.is_post_payment and note.status in LIVE_NOTES:
            # A note's refund may have failed since; then its money is here.
            counted = sum((known[refund_id] for refund_id in note.refund_ids if refund_id in known), ZERO)
            back += note.amount_beside_refunds + max(ZERO, note.refund_amount - counted)
    return back


def refundable_amount(invoice: Invoice) -> Decimal:
    """Return what is left of what was paid of an invoice, less what was given back, or is about to be."""
    left: Decimal = invoice.amount_paid - given_back(invoice)
    return max(ZERO, left)


def creditable_amount(invoice: Invoice) -> Decimal:
    """Return what a credit note can still take off an invoice: of an open one what is due, else what was not yet.

    A customer's credit that has paid a part counts as money, and can be credited again.
    """
    notes = [note for note in _notes(invoice) if note.status in LIVE_NOTES]
    left: Decimal = invoice.total - max(_sum(notes), given_back(invoice))
    if not invoice.is_paid:
        # What was issued is not due any more.
        left = invoice.amount_remaining - _sum(note for note in notes if not note.is_issued)
    return max(ZERO, left)


def settle_invoice(invoice: Invoice) -> None:
    """Make a locked invoice's sums agree with its refunds and credit notes, and what its subscription is paid for."""
    refunds = InvoiceRefund.objects.using(payments_database()).filter(invoice=invoice).succeeded()
    refunded = sum(refunds.values_list("amount", flat=True), ZERO)
    credited = _sum(note for note in _notes(invoice) if note.is_issued)
    if (refunded, credited) == (invoice.refunded_amount, invoice.credited_amount):
        return
    invoice.refunded_amount, invoice.credited_amount = refunded, credited
    invoice.save(using=payments_database(), update_fields=["refunded_amount", "credited_amount", "modified"])
    if invoice.subscription is not None:
        follow_money(invoice.subscription)


def _notes(invoice: Invoice) -> Iterable[CreditNote]:
    return CreditNote.objects.using(payments_database()).filter(invoice=invoice)


def _sum(notes: Iterable[CreditNote]) -> Decimal:
    return sum((note.amount for note in notes), ZERO)
