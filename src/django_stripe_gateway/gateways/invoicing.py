"""What a billing gateway does that makes invoices of no subscription, and puts things on those to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot


@dataclass(frozen=True, slots=True)
class InvoiceItem:
    """One thing that an invoice asks money for.

    Args:
        description: what the customer reads.
        amount: of one piece, in the currency's units.
    """

    description: str
    amount: Decimal
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class InvoiceItemRequest:
    """An item that waits for the customer's next invoice, or for the next one of a subscription."""

    customer_id: str
    item: InvoiceItem
    currency: str
    subscription_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class InvoiceItemSnapshot:
    """An item as its provider sees it; ``invoice_id`` is empty while it waits for an invoice."""

    item_id: str
    description: str
    amount: Decimal
    currency: str
    quantity: int = 1
    customer_id: str = ""
    subscription_id: str = ""
    invoice_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    """An invoice of no subscription.

    Args:
        collection_method: "charge_automatically", or "send_invoice" to be paid within ``days_until_due``.
        include_pending: also what waits for the customer's next invoice.
        finalize: it is open then, and sent; otherwise it stays a draft.
        metadata: by all of which it is found again.
    """

    customer_id: str
    items: Sequence[InvoiceItem]
    currency: str
    description: str = ""
    collection_method: str = "charge_automatically"
    days_until_due: int | None = None
    include_pending: bool = False
    finalize: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)


class InvoicingGateway:
    """The part of a billing gateway that makes invoices. By default it cannot."""

    #: Invoices of no subscription can be made, and things be put on those to come.
    supports_invoicing: ClassVar[bool] = False

    def create_invoice_item(self, request: InvoiceItemRequest, *, idempotency_key: str) -> InvoiceItemSnapshot:
        """Let an item wait for the next invoice."""
        raise UnsupportedByGateway("This gateway cannot put something on an invoice.")

    def find_invoice_item(self, customer_id: str, *, metadata: Mapping[str, str]) -> InvoiceItemSnapshot | None:
        """Return the item that an earlier attempt at ``create_invoice_item`` has made, found by its metadata."""
        raise UnsupportedByGateway("This gateway cannot put something on an invoice.")

    def retrieve_invoice_item(self, item_id: str) -> InvoiceItemSnapshot:
        """Ask for an item."""
        raise UnsupportedByGateway("This gateway cannot put something on an invoice.")

    def create_invoice(
        self, request: InvoiceRequest, *, is_repeat: bool = False, idempotency_key: str
    ) -> InvoiceSnapshot:
        """Make an invoice with its items, which are on it from the beginning: none ever waits for another one.

        Args:
            is_repeat: carry on with the draft that an earlier attempt has left.
        """
        raise UnsupportedByGateway("This gateway makes no invoices on demand.")

    def find_made_invoice(self, customer_id: str, *, metadata: Mapping[str, str]) -> InvoiceSnapshot | None:
        """Return the invoice that an earlier attempt at ``create_invoice`` has made, be it a draft."""
        raise UnsupportedByGateway("This gateway makes no invoices on demand.")

    def discard_invoice(self, customer_id: str, *, metadata: Mapping[str, str], idempotency_key: str) -> None:
        """Delete the draft that an earlier attempt has left, with its own items: what had waited before waits again."""
        raise UnsupportedByGateway("This gateway makes no invoices on demand.")
