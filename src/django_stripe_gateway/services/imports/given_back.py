"""Bring what was given back: refunds and credit notes of invoices, and disputes of whatever is here.

Refunds of payments come with these. Whatever has no row is history; a row that is here is brought up to date.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Model

from django_stripe_gateway.gateways.account_reading import AccountReader, Page, Unreadable
from django_stripe_gateway.gateways.invoice_money import CreditNoteSnapshot
from django_stripe_gateway.gateways.values import DisputeSnapshot, RefundSnapshot
from django_stripe_gateway.models import (
    AbstractPayment,
    CreditNote,
    Dispute,
    Invoice,
    InvoiceRefund,
)
from django_stripe_gateway.services.audit import without_signals
from django_stripe_gateway.services.disputes import write_looked_up
from django_stripe_gateway.services.imports.reading import Result, attempt, dated
from django_stripe_gateway.services.imports.results import IMPORT, Imported, Outcome
from django_stripe_gateway.services.payments.unexpected import payment_of_intent
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_credit_note, apply_invoice_refund
from django_stripe_gateway.services.subscriptions.sync import lock_known_invoice
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

REFUNDS, CREDIT_NOTES, DISPUTES = "refunds", "credit_notes", "disputes"

T = TypeVar("T")
Subject = AbstractPayment | Invoice
NOT_HERE = "what it is of is not known here"


class GivenBack(ABC, Generic[T]):
    """How objects of one kind are brought that say of which payment they are, and not of which customer.

    Args:
        since: as for the invoices that they are of.
    """

    kind: ClassVar[str]
    model: ClassVar[type[Model]]

    def __init__(self, reader: AccountReader, variant: str, since: datetime) -> None:
        self.reader, self.variant, self.since = reader, variant, since
        self._named: Mapping[str, str] | None = None

    @abstractmethod
    def pages(self) -> Iterator[Page[T]]:
        """Yield what the account holds."""

    @abstractmethod
    def name(self, item: T) -> tuple[str, str]:
        """Return the provider's id of an object, and its status."""

    def is_known(self, item: T) -> bool:
        """Return whether there is a row of it."""
        rows = self.model._default_manager.using(payments_database())
        return bool(rows.filter(provider_id=self.name(item)[0]).exists())

    @abstractmethod
    def subject(self, item: T) -> Subject | None:
        """Return what it is of, ``None`` if that is not here."""

    @abstractmethod
    def write(self, subject: Any, item: T, began: datetime) -> None:
        """Write it as the provider showed it at the moment ``began``."""

    def is_brought(self, item: T) -> bool:
        """Return whether it is one of these at all."""
        return True

    def bring(self, *, dry_run: bool) -> Iterator[Imported]:
        """Bring all objects of the kind, and yield what became of each."""
        for began, item in dated(self.pages()):
            if isinstance(item, Unreadable):
                yield Imported(self.kind, item.object_id, Outcome.FAILED, item.reason)
            elif self.is_brought(item):
                yield attempt(self.kind, self.name(item)[0], self._step(item, began, dry_run=dry_run))

    def _step(self, item: T, began: datetime, *, dry_run: bool) -> Callable[[], Result]:
        def step() -> Result:
            status, is_known, subject = self.name(item)[1], self.is_known(item), self.subject(item)
            if subject is None:
                return Outcome.LEFT_OUT, f"{status}, {NOT_HERE}"
            if not dry_run:
                with nullcontext() if is_known else without_signals():
                    self.write(subject, item, began)
            return Outcome.KNOWN if is_known else Outcome.NEW, status

        return step

    def invoice_of(self, intent_id: str) -> Invoice | None:
        """Return the invoice that a payment has paid, ``None`` if there is none here.

        One that was paid in parts has several payments, of which its row names one.
        """
        rows = Invoice.objects.using(payments_database()).filter(variant=self.variant)
        found: Invoice | None = rows.filter(intent_id=intent_id).first() if intent_id else None
        if found is None and intent_id:
            if self._named is None:
                self._named = self.reader.invoices_of_payments(self.since)
            found = rows.filter(provider_id=self._named.get(intent_id, "")).first()
        return found


class Refunds(GivenBack[RefundSnapshot]):
    """Of invoices; those of payments come with these."""

    kind, model = REFUNDS, InvoiceRefund

    def pages(self) -> Iterator[Page[RefundSnapshot]]:
        """Yield all refunds."""
        return self.reader.all_refunds(self.since)

    def name(self, item: RefundSnapshot) -> tuple[str, str]:
        """Return the provider's id, and the status."""
        return item.refund_id, item.status

    def is_brought(self, item: RefundSnapshot) -> bool:
        """Return whether it is of no payment that is here."""
        return payment_of_intent(item.intent_id) is None

    def subject(self, item: RefundSnapshot) -> Invoice | None:
        """Return its invoice."""
        return self.invoice_of(item.intent_id)

    def write(self, subject: Invoice, item: RefundSnapshot, began: datetime) -> None:
        """Write it, and what the invoice has refunded."""
        _change(subject, lambda invoice: apply_invoice_refund(invoice, item, IMPORT))


class CreditNotes(GivenBack[CreditNoteSnapshot]):
    """With their refunds, which are there already."""

    kind, model = CREDIT_NOTES, CreditNote

    def pages(self) -> Iterator[Page[CreditNoteSnapshot]]:
        """Yield all credit notes."""
        return self.reader.credit_notes(self.since)

    def name(self, item: CreditNoteSnapshot) -> tuple[str, str]:
        """Return the provider's id, and the status."""
        return item.note_id, item.status

    def subject(self, item: CreditNoteSnapshot) -> Invoice | None:
        """Return its invoice."""
        rows = Invoice.objects.using(payments_database()).filter(variant=self.variant)
        return rows.filter(provider_id=item.invoice_id).first()

    def write(self, subject: Invoice, item: CreditNoteSnapshot, began: datetime) -> None:
        """Write it, and what was credited of the invoice."""
        _change(subject, lambda invoice: apply_credit_note(invoice, item, IMPORT))


class Disputes(GivenBack[DisputeSnapshot]):
    """Of payments and of invoices."""

    kind, model = DISPUTES, Dispute

    def pages(self) -> Iterator[Page[DisputeSnapshot]]:
        """Yield all disputes."""
        return self.reader.disputes(self.since)

    def name(self, item: DisputeSnapshot) -> tuple[str, str]:
        """Return the provider's id, and the status."""
        return item.dispute_id, item.status

    def subject(self, item: DisputeSnapshot) -> Subject | None:
        """Return the payment or the invoice."""
        return payment_of_intent(item.intent_id) or self.invoice_of(item.intent_id)

    def write(self, subject: Subject, item: DisputeSnapshot, began: datetime) -> None:
        """Write it, unless it says nothing new."""
        rows = Dispute.objects.using(payments_database())
        if not rows.filter(provider_id=item.dispute_id, status=item.status).exists():
            write_looked_up(subject, item, began, IMPORT)


def import_given_back(
    reader: AccountReader, variant: str, since: datetime, kind: str, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring refunds and credit notes of invoices, or disputes, and yield what became of each.

    What is of nothing that is here is left out, so that a later run can bring it.

    Args:
        kind: ``REFUNDS``, ``CREDIT_NOTES`` or ``DISPUTES``.
    """
    chosen: dict[str, type[GivenBack[Any]]] = {REFUNDS: Refunds, CREDIT_NOTES: CreditNotes, DISPUTES: Disputes}
    return chosen[kind](reader, variant, since).bring(dry_run=dry_run)


@retry_on_deadlock
def _change(seen: Invoice, change: Callable[[Invoice], object]) -> None:
    with money_transaction():
        change(lock_known_invoice(seen))
