"""The interface by which a whole account is read, to import what it holds, and the values that cross it.

A reader only asks: none of its methods changes anything at the provider. Lists come page by page, the newest first, so
that the caller knows when each page was asked for, and can stop between two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypeVar

from django_stripe_gateway.gateways.billing_values import CustomerSnapshot, InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.invoice_money import CreditNoteSnapshot
from django_stripe_gateway.gateways.values import DisputeSnapshot, PaymentSnapshot, RefundSnapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object of a list that cannot be read; the others can.

    Args:
        email: a customer's, if that much can be read: an address is unique only if no such customer has it.
    """

    object_id: str
    reason: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class ListedPayment:
    """A payment as a list shows it, with what is kept of it beside its state.

    Args:
        customer_id: the provider's, empty for a guest.
        refunded: what was given back, in the currency's units; the refunds themselves are asked for.
    """

    snapshot: PaymentSnapshot
    customer_id: str = ""
    refunded: Decimal = Decimal(0)
    created: datetime | None = None
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_manual: bool = False


Page = Sequence[T | Unreadable]


class AccountReader(ABC):
    """All that one account holds; for what is raised everywhere see ``BillingGateway``."""

    #: What a list leaves open can be asked for; a reader of stored objects has nobody to ask.
    can_ask: ClassVar[bool] = True

    @property
    @abstractmethod
    def livemode(self) -> bool:
        """Whether real money moves."""

    @abstractmethod
    def customers(self) -> Iterator[Page[CustomerSnapshot]]:
        """Yield the customers, without those that were deleted."""

    @abstractmethod
    def subscriptions(self) -> Iterator[Page[SubscriptionSnapshot]]:
        """Yield the subscriptions, ended ones too."""

    @abstractmethod
    def subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        """Return a subscription with all that a list leaves open; asked only of a reader that ``can_ask``."""

    @abstractmethod
    def invoices(self, since: datetime) -> Iterator[Page[InvoiceSnapshot]]:
        """Yield the invoices that were made since a moment."""

    @abstractmethod
    def payments(self, since: datetime) -> Iterator[Page[ListedPayment]]:
        """Yield what was paid, or is held or under way, since a moment; what invoices were paid with is left out.

        A payment that was made on a page is the page, with what holds its money; it comes once.
        """

    @abstractmethod
    def refunds(self, payment: PaymentSnapshot) -> Sequence[RefundSnapshot]:
        """Return the refunds of a payment."""

    # What was given back; a reader that knows nothing of it leaves these as they are.

    def all_refunds(self, since: datetime) -> Iterator[Page[RefundSnapshot]]:
        """Yield the refunds that were made since a moment, of payments and of what has paid invoices."""
        yield from ()

    def credit_notes(self, since: datetime) -> Iterator[Page[CreditNoteSnapshot]]:
        """Yield the credit notes that were issued since a moment, with their refunds."""
        yield from ()

    def disputes(self, since: datetime) -> Iterator[Page[DisputeSnapshot]]:
        """Yield the disputes that were opened since a moment."""
        yield from ()

    def invoices_of_payments(self, since: datetime) -> Mapping[str, str]:
        """Return the ids of invoices by those of what has paid them since a moment, where the provider lists that."""
        return {}
