"""Bring the subscriptions of known customers, with their items, and their invoices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.db.models import TextChoices
from django.utils import timezone

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.gateways.account_reading import AccountReader
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.accounts import prove_account
from django_stripe_gateway.services.audit import without_signals
from django_stripe_gateway.services.imports.reading import Bringer, Result, bring
from django_stripe_gateway.services.imports.results import IMPORT, Imported, Outcome
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.subscriptions.items import lack_periods
from django_stripe_gateway.services.subscriptions.missing import note_found
from django_stripe_gateway.services.subscriptions.scheduled import is_schedule_in_doubt
from django_stripe_gateway.services.subscriptions.sync import (
    add_subscription,
    apply_invoice,
    apply_subscription,
    are_discounts_in_doubt,
    lock_customer,
    lock_invoice,
    lock_subscription,
    new_invoice,
    store_invoice,
)
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

SUBSCRIPTIONS, INVOICES = "subscriptions", "invoices"
# Of these a list does not say since when they are late, or what is left to pay.
UNPAID = (SubscriptionStatus.INCOMPLETE, SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)
# One such is asked for again by runs that are as far apart; meanwhile events and ``reconcile`` follow it.
ASKED_AGAIN_AFTER = timedelta(hours=1)


class Subscriptions(Bringer[SubscriptionSnapshot]):
    """Ended ones, too; what a list leaves open of one is asked for."""

    kind = SUBSCRIPTIONS

    def name(self, item: SubscriptionSnapshot) -> tuple[str, str]:
        """Return the provider's id, and the status."""
        return item.subscription_id, item.status

    def problem(self, item: SubscriptionSnapshot) -> str:
        """Say of a status that nobody here knows; a row without it would never become valid."""
        return _unknown_status(item.status, SubscriptionStatus)

    def is_known(self, item: SubscriptionSnapshot) -> bool:
        """Return whether there is a row of it."""
        return find_subscription_row([self.variant], item.subscription_id) is not None

    def take(self, item: SubscriptionSnapshot, began: datetime, customer_pk: int | None) -> Result:
        """Write it, once what the list leaves open is known."""
        if self.reader.can_ask and _is_in_doubt(self.variant, item):
            if _was_just_asked(self.variant, item):
                return Outcome.KNOWN, item.status
            began = timezone.now()
            item = self.reader.subscription(item.subscription_id)
            problem = self.problem(item)
            if problem:
                return Outcome.FAILED, problem
        look = Look(None, began, item)
        return take_subscription(customer_pk or 0, self.variant, look, is_told=self.reader.can_ask), item.status


def import_subscriptions(
    reader: AccountReader, variant: str, customers: Mapping[str, int], *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring the subscriptions of customers, and yield what became of each.

    Args:
        customers: keys of the rows of those who are known here, by the provider's ids.
    """
    return bring(Subscriptions(reader, variant), reader.subscriptions(), customers, dry_run=dry_run)


def _unknown_status(status: str, known: type[TextChoices]) -> str:
    return "" if status in known.values else f"its status {status!r} is unknown to this version"


def _was_just_asked(variant: str, snapshot: SubscriptionSnapshot) -> bool:
    """Return whether what makes one ask is no more than that it is unpaid, as an earlier run has been told."""
    rows = Subscription.objects.using(payments_database()).filter(variant=variant, status=snapshot.status)
    row = rows.filter(provider_id=snapshot.subscription_id, fetched_at__gt=timezone.now() - ASKED_AGAIN_AFTER).first()
    if row is None or row.plan_id is None or row.lost is not None:
        # The catalogue may know its price by now, and the provider the subscription.
        return False
    return snapshot.status in UNPAID and not _lacks_something(row, snapshot)


def _is_in_doubt(variant: str, snapshot: SubscriptionSnapshot) -> bool:
    """Return whether what a list says is not enough, as it is asked of an event."""
    rows = Subscription.objects.using(payments_database()).filter(variant=variant)
    row = rows.filter(provider_id=snapshot.subscription_id).first() or Subscription(variant=variant)
    if row.has_ended:
        return False
    return snapshot.status in UNPAID or _lacks_something(row, snapshot)


def _lacks_something(row: Subscription, snapshot: SubscriptionSnapshot) -> bool:
    return (
        snapshot.has_pending_update
        or not snapshot.has_all_items
        or lack_periods(snapshot.items)
        or is_schedule_in_doubt(row, snapshot, None)
        or are_discounts_in_doubt(row, snapshot)
    )


@retry_on_deadlock
def take_subscription(
    customer_pk: int, variant: str, look: Look[SubscriptionSnapshot], *, is_told: bool = True
) -> Outcome:
    """Write a subscription of a customer as the provider shows it, if what is known here is no newer.

    Args:
        is_told: the provider itself has said it now: it knows it (again), in the account of the key.

    Raises:
        SnapshotMismatch: it contradicts the row.
    """
    snapshot = look.answer
    with money_transaction(), ExitStack() as inside:
        # Under the customer's lock nobody else adds it.
        customer = lock_customer(customer_pk)
        token, customer_id = str(snapshot.metadata.get("token", "")), snapshot.customer_id
        pk = find_subscription_row([variant], snapshot.subscription_id, token=token, customer_id=customer_id)
        if pk is None:
            inside.enter_context(without_signals())
        added = add_subscription(customer, snapshot, IMPORT) if pk is None else None
        subscription = lock_subscription(added.pk if added is not None else pk or 0)
        subscription.customer = customer
        if is_told:
            prove_account(subscription)
            note_found(subscription, IMPORT)
        if judge(subscription, look=look) is Verdict.WRITE:
            apply_subscription(subscription, snapshot, IMPORT)
            if snapshot.latest_invoice is not None:
                store_invoice(subscription, snapshot.latest_invoice, IMPORT, looked_at=look.began)
    return Outcome.NEW if pk is None else Outcome.KNOWN


class Invoices(Bringer[InvoiceSnapshot]):
    """Of subscriptions that are known, and those that are of none."""

    kind = INVOICES

    def name(self, item: InvoiceSnapshot) -> tuple[str, str]:
        """Return the provider's id, and the status."""
        return item.invoice_id, item.status

    def problem(self, item: InvoiceSnapshot) -> str:
        """Say of a status that nobody here knows."""
        return _unknown_status(item.status, InvoiceStatus)

    def is_known(self, item: InvoiceSnapshot) -> bool:
        """Return whether there is a row of it."""
        rows = Invoice.objects.using(payments_database())
        found: bool = rows.filter(variant=self.variant, provider_id=item.invoice_id).exists()
        return found

    def take(self, item: InvoiceSnapshot, began: datetime, customer_pk: int | None) -> Result:
        """Write it."""
        outcome = take_invoice(customer_pk or 0, self.variant, Look(None, began, item))
        if outcome is Outcome.LEFT_OUT:
            return outcome, f"its subscription {item.subscription_id} is not known"
        return outcome, item.status


def import_invoices(
    reader: AccountReader, variant: str, customers: Mapping[str, int], since: datetime, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring the invoices of customers, and yield what became of each; see ``import_subscriptions``."""
    return bring(Invoices(reader, variant), reader.invoices(since), customers, dry_run=dry_run)


@retry_on_deadlock
def take_invoice(customer_pk: int, variant: str, look: Look[InvoiceSnapshot]) -> Outcome:
    """Write an invoice of a customer as the provider shows it, if what is known here is no newer.

    Raises:
        SnapshotMismatch: it contradicts the row.
    """
    snapshot = look.answer
    with money_transaction(), ExitStack() as inside:
        customer = lock_customer(customer_pk)
        invoice = lock_invoice(variant, snapshot.invoice_id)
        is_new = invoice is None
        subscription = None
        if snapshot.subscription_id:
            pk = find_subscription_row([variant], snapshot.subscription_id)
            if pk is None:
                return Outcome.LEFT_OUT
            subscription = Subscription.objects.using(payments_database()).get(pk=pk)
            if subscription.customer_id != customer.pk:
                raise SnapshotMismatch("customer differs")
        if is_new:
            inside.enter_context(without_signals())
        invoice = invoice or new_invoice(customer, snapshot, subscription)
        invoice.customer = customer
        if judge(invoice, look=look) is Verdict.WRITE:
            apply_invoice(invoice, snapshot, IMPORT)
    return Outcome.NEW if is_new else Outcome.KNOWN
