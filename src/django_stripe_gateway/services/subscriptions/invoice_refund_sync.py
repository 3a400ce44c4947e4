"""Bring an invoice's refunds and credit notes to what its provider says."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway import signals
from django_stripe_gateway.choices import CreditNoteStatus, RefundReason, RefundStatus, SubscriptionLogEvent
from django_stripe_gateway.gateways.invoice_money import CreditNoteSnapshot
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import CreditNote, Invoice, InvoiceRefund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.moments import happened_at, moment_of_refund
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.subscriptions.given_back import settle_invoice
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import can_transition_refund

# A row's number has at most as many digits; longer ones are not worth parsing.
ID_DIGITS = 19
GONE = (RefundStatus.FAILED, RefundStatus.CANCELED)
MIRRORED_OF_NOTE = ("number", "memo", "pdf_url", "amount", "is_post_payment", "out_of_band_amount")


def apply_invoice_refund(
    invoice: Invoice, snapshot: RefundSnapshot, origin: Origin, *, refund: InvoiceRefund | None = None
) -> InvoiceRefund:
    """Write what the provider says about one refund of the locked ``invoice``.

    Args:
        refund: our own row, when the snapshot answers our own call. Otherwise it is found by the provider's id or by
            the mark that our call left in the metadata; a refund made elsewhere gets a row.

    Raises:
        SnapshotMismatch: the refund is of another invoice, or of an amount or a currency that cannot be.
    """
    if snapshot.currency != invoice.currency.upper():
        raise SnapshotMismatch("currency differs")
    # It may be heard of before the payment.
    if not ZERO < snapshot.amount <= max(invoice.total, invoice.amount_due, invoice.amount_paid):
        raise SnapshotMismatch("refund amount differs")
    refund = refund or _find_refund(invoice, snapshot)
    if refund is None:
        reason = snapshot.reason if snapshot.reason in RefundReason.values else ""
        refund = InvoiceRefund(invoice=invoice, currency=snapshot.currency, amount=snapshot.amount, reason=reason)
    elif refund.amount != snapshot.amount:
        raise SnapshotMismatch("refund amount differs")
    previous = None if refund._state.adding else refund.status
    happened = moment_of_refund(refund, snapshot)
    # A refund that we gave up without the provider's word is whatever the provider says that it is.
    was_never_answered = refund.provider_id is None and refund.status == RefundStatus.FAILED
    changed = previous is None or refund.provider_id != snapshot.refund_id
    refund.provider_id = snapshot.refund_id
    refund.intent_id = snapshot.intent_id or refund.intent_id
    if was_never_answered or previous is None or can_transition_refund(refund.status, snapshot.status):
        refund.status = snapshot.status
        refund.failure_reason = snapshot.failure_reason[:64]
        changed = True
    if changed:
        with happened_at(happened):
            _write_refund(invoice, refund, previous, origin)
    return refund


def fail_invoice_refund(invoice: Invoice, refund: InvoiceRefund, reason: str, origin: Origin) -> None:
    """Write that the provider refused a refund that we had asked for."""
    previous = refund.status
    if not can_transition_refund(previous, RefundStatus.FAILED):
        return
    refund.status = RefundStatus.FAILED
    refund.failure_reason = reason[:64]
    _write_refund(invoice, refund, previous, origin)


def _write_refund(invoice: Invoice, refund: InvoiceRefund, previous: str | None, origin: Origin) -> None:
    """Save a refund that was ``previous`` before, let its invoice agree, log and announce it."""
    refund.save(using=payments_database())
    settle_invoice(invoice)
    refund.invoice = invoice
    data = {"invoice_id": invoice.provider_id, "refund_id": refund.provider_id, "amount": str(refund.amount)}
    log_invoice(invoice, origin, f"refund {refund.status}", refund.amount, data | {"status": refund.status})
    if refund.status == previous:
        return
    if refund.is_succeeded:
        values = {"amount": refund.amount, "is_full": invoice.is_refunded}
        send_on_commit(signals.invoice_refunded, Invoice, topic="invoice", invoice=invoice, refund=refund, **values)
    elif refund.status in GONE:
        send_on_commit(signals.invoice_refund_failed, Invoice, topic="invoice", invoice=invoice, refund=refund)


def _find_refund(invoice: Invoice, snapshot: RefundSnapshot) -> InvoiceRefund | None:
    refunds = InvoiceRefund.objects.using(payments_database())
    known = refunds.filter(provider_id=snapshot.refund_id).first()
    if known is not None and known.invoice_id != invoice.pk:
        raise SnapshotMismatch("the refund is another invoice's")
    marker = snapshot.metadata.get("operation", "")
    if known is None and marker.isdecimal() and len(marker) <= ID_DIGITS:
        # The event has overtaken the answer to our own call.
        known = refunds.filter(invoice=invoice, operation_id=int(marker), provider_id=None).first()
    return known


def apply_credit_note(
    invoice: Invoice, snapshot: CreditNoteSnapshot, origin: Origin, *, note: CreditNote | None = None
) -> CreditNote:
    """Write what the provider says about one credit note of the locked ``invoice``, with the refunds that came along.

    Args:
        note: our own row, when the snapshot answers our own call; see ``apply_invoice_refund``.

    Raises:
        SnapshotMismatch: the note is of another invoice, or in another currency.
    """
    if snapshot.invoice_id != invoice.provider_id or snapshot.currency != invoice.currency.upper():
        raise SnapshotMismatch("the credit note is another invoice's, or in another currency")
    note = note or _find_note(invoice, snapshot) or CreditNote(invoice=invoice, currency=snapshot.currency)
    verify_lengths(note, snapshot, ("number", "pdf_url"))
    previous = None if note._state.adding else note.status
    note.provider_id = snapshot.note_id
    for name in MIRRORED_OF_NOTE:
        setattr(note, name, getattr(snapshot, name))
    if invoice.customer.has_erased(invoice.created):
        note.memo = note.pdf_url = ""
    note.reason = snapshot.reason[:32]
    note.issued = snapshot.issued or note.issued
    note.refund_ids = list(snapshot.refund_ids)
    if snapshot.refund_amount is not None:
        note.refund_amount = snapshot.refund_amount
    elif previous is None:
        note.refund_amount = _refunded(invoice, note)
    if note.is_post_payment:
        note.credit_amount = max(ZERO, note.amount - note.refund_amount - note.out_of_band_amount)
    # What is void stays so, whatever comes late.
    if note.status != CreditNoteStatus.VOID and snapshot.status in CreditNoteStatus.values:
        note.status = snapshot.status
    note.save(using=payments_database())
    for refund in snapshot.refunds:
        apply_invoice_refund(invoice, refund, origin)
    settle_invoice(invoice)
    if note.status != previous:
        _announce_note(invoice, note, previous, origin)
    return note


def fail_credit_note(invoice: Invoice, note: CreditNote, origin: Origin) -> None:
    """Write that the provider refused a credit note that we had asked for."""
    if note.status == CreditNoteStatus.PENDING:
        note.status = CreditNoteStatus.FAILED
        note.save(using=payments_database(), update_fields=["status", "modified"])
        data = {"invoice_id": invoice.provider_id, "status": note.status}
        log_invoice(invoice, origin, "credit note failed", note.amount, data)


def _announce_note(invoice: Invoice, note: CreditNote, previous: str | None, origin: Origin) -> None:
    note.invoice = invoice
    data = {"invoice_id": invoice.provider_id, "credit_note_id": note.provider_id, "amount": str(note.amount)}
    log_invoice(invoice, origin, f"credit note {note.status}", note.amount, data | {"status": note.status})
    values: dict[str, Any] = {"topic": "invoice", "invoice": invoice, "credit_note": note}
    if note.is_issued or previous in (None, CreditNoteStatus.PENDING):
        # One that was taken back before it was heard of was issued, too.
        send_on_commit(signals.invoice_credited, Invoice, amount=note.amount, **values)
    if note.status == CreditNoteStatus.VOID:
        send_on_commit(signals.credit_note_voided, Invoice, **values)


def _find_note(invoice: Invoice, snapshot: CreditNoteSnapshot) -> CreditNote | None:
    notes = CreditNote.objects.using(payments_database())
    known = notes.filter(provider_id=snapshot.note_id).first()
    if known is not None and known.invoice_id != invoice.pk:
        raise SnapshotMismatch("the credit note is another invoice's")
    marker = snapshot.metadata.get("operation", "")
    if known is None and marker.isdecimal() and len(marker) <= ID_DIGITS:
        known = notes.filter(invoice=invoice, operation_id=int(marker), provider_id=None).first()
    return known


def _refunded(invoice: Invoice, note: CreditNote) -> Any:
    """Return what of a note was refunded, as the refunds that are known here say."""
    rows = InvoiceRefund.objects.using(payments_database()).filter(invoice=invoice, provider_id__in=note.refund_ids)
    return min(note.amount - note.out_of_band_amount, sum(rows.values_list("amount", flat=True), ZERO))


def log_invoice(invoice: Invoice, origin: Origin, what: str, amount: Any, data: dict[str, Any]) -> None:
    """Write to the audit trail of an invoice's subscription what became of its money."""
    if invoice.subscription is not None:
        name, text = invoice.number or invoice.provider_id, display_amount(amount, invoice.currency)
        write_log(invoice.subscription, SubscriptionLogEvent.INVOICE, origin, f"{name}: {text} ({what})", data)
