"""Read all that a Stripe account holds, page after page."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.account_reading import AccountReader, ListedPayment, Page, Unreadable
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot, InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.invoice_money import CreditNoteSnapshot
from django_stripe_gateway.gateways.patience import patiently
from django_stripe_gateway.gateways.stripe.billing import StripeBillingGateway
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_snapshot, subscription_snapshot
from django_stripe_gateway.gateways.stripe.calls import PAGE, StripeAccountCalls, ask, seconds
from django_stripe_gateway.gateways.stripe.catalogue_objects import customer_snapshot
from django_stripe_gateway.gateways.stripe.fields import Object, object_id, optional_text, page_of
from django_stripe_gateway.gateways.stripe.invoice_money import credit_note_snapshot
from django_stripe_gateway.gateways.stripe.listed_payments import intent_payment, is_taken, session_payment
from django_stripe_gateway.gateways.stripe.payment_objects import dispute_snapshot, refund_snapshot
from django_stripe_gateway.gateways.stripe.subscription_terms import BILLING_MOVED
from django_stripe_gateway.gateways.values import DisputeSnapshot, PaymentSnapshot, RefundSnapshot

S = TypeVar("S")

# A page is open for a day at most, and may be paid at its end.
LONGEST_PAGE = timedelta(days=1)

Objects = Iterator[Sequence[Object]]


class ObjectReader(AccountReader):
    """Makes values of Stripe's objects, wherever they come from; an object that is half-formed stops no other."""

    @abstractmethod
    def _objects(self, kind: str, since: datetime | None = None) -> Objects:
        """Yield the objects of a kind that were made since a moment, page by page.

        Args:
            kind: "customer", "subscription", "invoice", "payment_intent", "checkout.session", "invoice_payment",
                "refund", "credit_note" or "dispute".
        """

    def customers(self) -> Iterator[Page[CustomerSnapshot]]:
        """Yield the customers, without those that were deleted."""
        for page in self._objects("customer"):
            yield _read(page, customer_snapshot)

    def subscriptions(self) -> Iterator[Page[SubscriptionSnapshot]]:
        """Yield the subscriptions, ended ones too."""
        for page in self._objects("subscription"):
            yield _read(page, subscription_snapshot)

    def invoices(self, since: datetime) -> Iterator[Page[InvoiceSnapshot]]:
        """Yield the invoices that were made since a moment."""
        for page in self._objects("invoice", since):
            yield _read(page, invoice_snapshot)

    def payments(self, since: datetime) -> Iterator[Page[ListedPayment]]:
        """Yield the Checkout Sessions that were paid, and then the PaymentIntents that are of none and of no invoice.

        The intents of invoices are known by ``invoice_payments``; before 2025-03-31.basil an intent named its invoice.
        """
        taken = {
            object_id(_payment_of(found).get("payment_intent"))
            for page in self._objects("invoice_payment", since - LONGEST_PAGE)
            for found in page
        }
        # The page of an intent that was made since may be older than that.
        for page in self._objects("checkout.session", since - LONGEST_PAGE):
            sessions = [obj for obj in page if obj.get("mode") == "payment" and obj.get("payment_intent")]
            taken |= {object_id(obj["payment_intent"]) for obj in sessions}
            paid = [obj for obj in sessions if is_taken(obj["payment_intent"], since)]
            yield _read(paid, session_payment)
        for page in self._objects("payment_intent", since):
            free = [obj for obj in page if obj.get("id") not in taken and not obj.get("invoice")]
            yield _read([obj for obj in free if is_taken(obj, since)], intent_payment)

    def all_refunds(self, since: datetime) -> Iterator[Page[RefundSnapshot]]:
        """Yield the refunds that were made since a moment."""
        for page in self._objects("refund", since):
            yield _read(page, refund_snapshot)

    def credit_notes(self, since: datetime) -> Iterator[Page[CreditNoteSnapshot]]:
        """Yield the credit notes that were issued since a moment."""
        for page in self._objects("credit_note", since):
            yield _read(page, credit_note_snapshot)

    def disputes(self, since: datetime) -> Iterator[Page[DisputeSnapshot]]:
        """Yield the disputes that were opened since a moment."""
        for page in self._objects("dispute", since):
            yield _read(page, dispute_snapshot)

    def invoices_of_payments(self, since: datetime) -> Mapping[str, str]:
        """Return the ids of invoices by those of the intents that have paid them since a moment."""
        return {
            object_id(_payment_of(found).get("payment_intent")): object_id(found.get("invoice"))
            for page in self._objects("invoice_payment", since - LONGEST_PAGE)
            for found in page
        }


class StripeAccountReader(StripeAccountCalls, ObjectReader):
    """Asks the account, one request at a time."""

    def _objects(self, kind: str, since: datetime | None = None) -> Objects:
        if kind == "invoice_payment" and self._is_older:
            return
        list_page, params = self._list_of(kind)
        wanted: dict[str, Any] = {"limit": PAGE, **params}
        if since is not None:
            wanted["created"] = {"gte": seconds(since)}
        seen: set[str] = set()
        while True:
            objects, next_after = patiently(lambda: ask(lambda: list_page(wanted), page_of(dict)))  # noqa: B023
            yield objects
            if not next_after:
                return
            if next_after in seen:
                raise ProviderError("Stripe's list repeats itself.", code="malformed_object")
            seen.add(next_after)
            wanted = wanted | {"starting_after": next_after}

    def _list_of(self, kind: str) -> tuple[Callable[[dict[str, Any]], Any], dict[str, Any]]:
        """Return how objects of a kind are listed."""
        if kind == "customer":
            return lambda params: self.v1.customers.list(params=params), {}
        if kind == "subscription":
            return lambda params: self.v1.subscriptions.list(params=params), {
                "status": "all",
                "expand": ["data.discounts"],
            }
        if kind == "invoice":
            return lambda params: self.v1.invoices.list(params=params), {
                "expand": ["data.payment_intent"] if self._is_older else ["data.payments"]
            }
        if kind == "invoice_payment":
            return lambda params: self.v1.invoice_payments.list(params=params), {}
        if kind == "refund":
            return lambda params: self.v1.refunds.list(params=params), {}
        if kind == "credit_note":
            return lambda params: self.v1.credit_notes.list(params=params), {
                "expand": ["data.refund"] if self._is_older else ["data.refunds.refund"]
            }
        if kind == "dispute":
            return lambda params: self.v1.disputes.list(params=params), {}
        if kind == "checkout.session":
            return lambda params: self.v1.checkout.sessions.list(params=params), {
                "expand": ["data.payment_intent.latest_charge"]
            }
        return lambda params: self.v1.payment_intents.list(params=params), {"expand": ["data.latest_charge"]}

    def subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        """Return a subscription as it is looked up; its invoices say since when it is late."""
        return patiently(lambda: StripeBillingGateway(self.account).retrieve_subscription(subscription_id))

    def refunds(self, payment: PaymentSnapshot) -> Sequence[RefundSnapshot]:
        """Return the refunds of a payment."""
        params = {"payment_intent": payment.intent_id}
        return patiently(lambda: self._list(self.v1.refunds.list, refund_snapshot, **params))

    @property
    def _is_older(self) -> bool:
        return bool(self.account.api_version) and self.account.api_version < BILLING_MOVED


def _read(objects: Sequence[Object], read: Callable[[Object], S]) -> list[S | Unreadable]:
    found: list[S | Unreadable] = []
    for obj in objects:
        try:
            found.append(read(obj))
        except ProviderError as error:
            found.append(Unreadable(optional_text(obj.get("id")), error.detail, optional_text(obj.get("email"))))
    return found


def _payment_of(invoice_payment: Object) -> Mapping[str, Any]:
    payment = invoice_payment.get("payment")
    return payment if isinstance(payment, Mapping) else {}
