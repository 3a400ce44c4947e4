"""The part of the billing interface by which invoices give money back, and the values that cross it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.gateways.values import RefundSnapshot


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """One payment that an invoice was paid with, at least in part; ``amount`` in the currency's units."""

    intent_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CreditNoteLine:
    """A line of an invoice that a credit note takes back: a quantity of it, or an amount."""

    line_id: str
    quantity: int | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CreditNoteRequest:
    """What a credit note takes off an invoice; of one that is paid, the three ways add up to all of it.

    Args:
        amount: in the invoice's currency; ``None`` where ``lines`` say it.
        refund_amount: goes back to what has paid, ``credit_amount`` to the customer's credit, and
            ``out_of_band_amount`` was given back elsewhere.
    """

    invoice_id: str
    currency: str
    amount: Decimal | None = None
    lines: Sequence[CreditNoteLine] = ()
    refund_amount: Decimal = Decimal(0)
    credit_amount: Decimal = Decimal(0)
    out_of_band_amount: Decimal = Decimal(0)
    reason: str = ""
    memo: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreditNoteSnapshot:
    """A credit note as the provider sees it; amounts are in the currency's units.

    Args:
        status: the provider's word (issued, void).
        is_post_payment: it gives back, where others let less be due.
        refund_amount: what of it are refunds; ``None`` where the provider does not say.
        refund_ids: of its refunds, and ``refunds`` those of them that came along.
    """

    note_id: str
    status: str
    invoice_id: str
    amount: Decimal
    currency: str
    is_post_payment: bool = False
    refund_amount: Decimal | None = None
    out_of_band_amount: Decimal = Decimal(0)
    refund_ids: Sequence[str] = ()
    refunds: Sequence[RefundSnapshot] = ()
    customer_id: str = ""
    number: str = ""
    reason: str = ""
    memo: str = ""
    pdf_url: str = field(default="", repr=False)
    issued: datetime | None = None
    livemode: bool | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class InvoiceMoneyGateway:
    """What a provider may be able to do about the money of invoices; see ``BillingGateway`` for what is raised."""

    #: Invoices can be refunded, and credit notes issued.
    supports_invoice_refunds: ClassVar[bool] = False

    def invoice_of_intent(self, intent_id: str) -> InvoiceSnapshot | None:
        """Return the invoice that a payment pays, ``None`` for a payment of none."""
        return None

    def list_invoice_payments(self, invoice_id: str) -> Sequence[InvoicePayment]:
        """Return what an invoice was paid with, without what has paid nothing of it."""
        raise UnsupportedByGateway("This gateway cannot refund an invoice.")

    def refund_invoice_payment(
        self,
        intent_id: str,
        amount: Decimal,
        currency: str,
        *,
        reason: str,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> RefundSnapshot:
        """Give back a part of what has paid an invoice."""
        raise UnsupportedByGateway("This gateway cannot refund an invoice.")

    def list_invoice_refunds(self, intent_id: str) -> Sequence[RefundSnapshot]:
        """Return the refunds of what has paid an invoice, whoever made them."""
        raise UnsupportedByGateway("This gateway cannot refund an invoice.")

    def create_credit_note(self, request: CreditNoteRequest, *, idempotency_key: str) -> CreditNoteSnapshot:
        """Issue a credit note."""
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")

    def preview_credit_note(self, request: CreditNoteRequest) -> CreditNoteSnapshot:
        """Return the credit note that a request would issue; nothing is made."""
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")

    def list_credit_notes(self, invoice_id: str) -> Sequence[CreditNoteSnapshot]:
        """Return the credit notes of an invoice, the newest first."""
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")

    def retrieve_credit_note(self, note_id: str) -> CreditNoteSnapshot:
        """Ask for a credit note."""
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")

    def void_credit_note(self, note_id: str, *, idempotency_key: str) -> CreditNoteSnapshot:
        """Take back a credit note of an open invoice."""
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")

    def read_credit_note(self, obj: Mapping[str, Any]) -> CreditNoteSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")
