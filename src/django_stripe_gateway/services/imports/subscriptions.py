"""Bring the subscriptions of known customers, with their items, and their invoices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime

from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionStatus
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.account_reading import AccountReader, Unreadable
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.audit import without_signals
from django_stripe_gateway.services.imports.reading import dated
from django_stripe_gateway.services.imports.results import IMPORT, Imported, Outcome
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.subscriptions.items import lack_periods
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


def import_subscriptions(
    reader: AccountReader, variant: str, customers: Mapping[str, int], *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring the subscriptions of customers, ended ones too, and yield what became of each.

    Args:
        customers: keys of the rows of those who are known here, by the provider's ids.
    """
    for began, item in dated(reader.subscriptions()):
        if isinstance(item, Unreadable):
            yield Imported(SUBSCRIPTIONS, item.object_id, Outcome.FAILED, item.reason)
            continue
        customer_pk = customers.get(item.customer_id)
        if customer_pk is None:
            detail = f"{item.status}, of {item.customer_id}, whose owner is not known"
            yield Imported(SUBSCRIPTIONS, item.subscription_id, Outcome.LEFT_OUT, detail)
            continue
        known = find_subscription_row([variant], item.subscription_id)
        if dry_run:
            outcome = Outcome.NEW if known is None else Outcome.KNOWN
            yield Imported(SUBSCRIPTIONS, item.subscription_id, outcome, item.status)
            continue
        try:
            if reader.can_ask and _is_in_doubt(variant, item):
                began = timezone.now()
                item = get_billing_gateway(variant).retrieve_subscription(item.subscription_id)
            outcome = take_subscription(customer_pk, variant, Look(None, began, item))
        except SnapshotMismatch as mismatch:
            yield Imported(SUBSCRIPTIONS, item.subscription_id, Outcome.FAILED, str(mismatch))
        except ProviderError as error:
            if not error.is_missing:
                raise
            yield Imported(SUBSCRIPTIONS, item.subscription_id, Outcome.LEFT_OUT, "it is gone")
        else:
            yield Imported(SUBSCRIPTIONS, item.subscription_id, outcome, item.status)


def _is_in_doubt(variant: str, snapshot: SubscriptionSnapshot) -> bool:
    """Return whether what a list says is not enough, as it is asked of an event."""
    rows = Subscription.objects.using(payments_database()).filter(variant=variant)
    row = rows.filter(provider_id=snapshot.subscription_id).first() or Subscription(variant=variant)
    if row.has_ended:
        return False
    return (
        snapshot.status in UNPAID
        or snapshot.has_pending_update
        or not snapshot.has_all_items
        or lack_periods(snapshot.items)
        or is_schedule_in_doubt(row, snapshot, None)
        or are_discounts_in_doubt(row, snapshot)
    )


@retry_on_deadlock
def take_subscription(customer_pk: int, variant: str, look: Look[SubscriptionSnapshot]) -> Outcome:
    """Write a subscription of a customer as the provider shows it, if what is known here is no newer.

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
        if judge(subscription, look=look) is Verdict.WRITE:
            apply_subscription(subscription, snapshot, IMPORT)
            if snapshot.latest_invoice is not None:
                store_invoice(subscription, snapshot.latest_invoice, IMPORT, looked_at=look.began)
    return Outcome.NEW if pk is None else Outcome.KNOWN


def import_invoices(
    reader: AccountReader, variant: str, customers: Mapping[str, int], since: datetime, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring the invoices of customers, and yield what became of each; see ``import_subscriptions``."""
    for began, item in dated(reader.invoices(since)):
        if isinstance(item, Unreadable):
            yield Imported(INVOICES, item.object_id, Outcome.FAILED, item.reason)
            continue
        customer_pk = customers.get(item.customer_id)
        if customer_pk is None:
            yield Imported(
                INVOICES, item.invoice_id, Outcome.LEFT_OUT, f"of {item.customer_id}, whose owner is not known"
            )
            continue
        if dry_run:
            rows = Invoice.objects.using(payments_database()).filter(variant=variant, provider_id=item.invoice_id)
            yield Imported(INVOICES, item.invoice_id, Outcome.KNOWN if rows.exists() else Outcome.NEW, item.status)
            continue
        try:
            outcome = take_invoice(customer_pk, variant, Look(None, began, item))
        except SnapshotMismatch as mismatch:
            yield Imported(INVOICES, item.invoice_id, Outcome.FAILED, str(mismatch))
        else:
            detail = (
                f"its subscription {item.subscription_id} is not known" if outcome is Outcome.LEFT_OUT else item.status
            )
            yield Imported(INVOICES, item.invoice_id, outcome, detail)


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
