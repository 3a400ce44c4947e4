"""Bring a subscription and its invoices to what their provider says: the one place where that becomes our state.

``freshness`` decides whether what is known of them is newer. What changes is logged and announced with the change. Rows
are locked in this order: customer, subscription, invoice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from copy import copy
from datetime import datetime

from django.db.models import Model

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionLogEvent
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import Customer, Invoice, Subscription
from django_stripe_gateway.services.accounts import prove_account
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.subscriptions.announcements import (
    announce_change,
    announce_invoice,
    announce_items,
    tell_of_payment,
)
from django_stripe_gateway.services.subscriptions.ends import note_end
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge, look_until_written
from django_stripe_gateway.services.subscriptions.grace import (
    note_lateness,
    note_payment,
    note_settled,
    note_under_way,
)
from django_stripe_gateway.services.subscriptions.items import (
    OF_PLAN,
    PERIOD,
    SyncedItems,
    follow_periods,
    sync_items,
    take_plan,
)
from django_stripe_gateway.services.subscriptions.missing import ask_about, note_found
from django_stripe_gateway.services.subscriptions.money_access import note_money
from django_stripe_gateway.services.subscriptions.paid_periods import follow_pause, note_paid_period
from django_stripe_gateway.services.subscriptions.scheduled import SCHEDULED, log_dropped, take_schedule
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import (
    can_transition_invoice,
    can_transition_subscription,
)

logger = logging.getLogger(__name__)

# Fields of the rows that carry the same name in the snapshot.
MIRRORED = (
    "cancel_at_period_end cancel_at canceled_at ended_at start trial_start trial_end pause_behavior pause_resumes_at "
    "has_pending_update pending_prices latest_invoice_id default_payment_method cancellation_feedback "
    "cancellation_comment cancellation_reason trial_end_behavior collection_method days_until_due discounts"
).split()
MIRRORED_OF_INVOICE = (
    "number billing_reason currency subtotal tax total amount_due amount_paid amount_remaining hosted_url pdf_url "
    "intent_id attempt_count requires_action period_start period_end due paid_at next_payment_attempt"
).split()
# Pages that show a name to whoever has their address: once erased, no event and no look brings them back.
PERSONAL_OF_INVOICE = ("hosted_url", "pdf_url")
# What was known and then missing says that an old answer lacks it, not that it is gone.
KEPT_WHEN_MISSING = frozenset({"start", "intent_id"})
# What follows from them, and from when they were said.
DERIVED = "past_due_since late_payment_under_way first_paid_at fixed_end paid_from paid_until was_paused".split()
TIMES = ("provider_time", "fetched_at", "modified")


def lock_customer(customer_pk: int) -> Customer:
    """Return the customer, its row locked until the transaction ends."""
    return Customer.objects.using(payments_database()).select_for_update().get(pk=customer_pk)


def lock_subscription(subscription_pk: int) -> Subscription:
    """Return the subscription, its row locked until the transaction ends."""
    return Subscription.objects.using(payments_database()).select_for_update().get(pk=subscription_pk)


def lock_invoice(variant: str, invoice_id: str) -> Invoice | None:
    """Return an invoice, its row locked until the transaction ends; ``None`` if it is unknown here."""
    rows = Invoice.objects.using(payments_database()).select_for_update()
    return rows.filter(variant=variant, provider_id=invoice_id).first()


def lock_known_invoice(known: Invoice) -> Invoice:
    """Return an invoice that is here, its row locked after its customer's until the transaction ends."""
    customer = lock_customer(known.customer_id)
    invoice = lock_invoice(known.variant, known.provider_id)
    assert invoice is not None  # noqa: S101 (nobody deletes them)
    invoice.customer = customer
    return invoice


# Looking at the provider.


def sync_subscription(*, subscription: Subscription, origin: Origin = SYSTEM) -> Subscription:
    """Ask the provider how a subscription stands, and bring it up to date with its latest invoice.

    Returns:
        The subscription, with the ``client_secret`` of a payment that its customer still has to make; unchanged if the
        provider does not know it yet.

    Raises:
        ProviderError: the provider refused or failed.
        OperationInProgress: it changes faster than we can look.
    """
    return look_up_subscription(subscription.pk, origin) if subscription.provider_id else subscription


def look_up_subscription(subscription_pk: int, origin: Origin = SYSTEM) -> Subscription:
    """Bring one of our subscriptions to what the provider says now, and return it.

    Args:
        subscription_pk: of our row, which the provider knows.

    Raises:
        UnknownAtProvider: the provider does not know it any more.
        GatewayError: the provider could not be asked.
        OperationInProgress: events keep coming in faster than we can look.
    """
    rows = Subscription.objects.using(payments_database()).select_related("customer", "plan", "pricing")
    found: Subscription = look_until_written(
        lambda: rows.get(pk=subscription_pk),
        lambda seen: ask_about(seen, origin),
        lambda seen, look: _write_look(seen, look, origin),
        noun="subscription",
    )
    return found


@retry_on_deadlock
def _write_look(seen: Subscription, look: Look[SubscriptionSnapshot], origin: Origin) -> Subscription | None:
    with money_transaction():
        return take_look(lock_customer(seen.customer_id), seen, look, origin)


def take_look(
    customer: Customer, seen: Subscription, look: Look[SubscriptionSnapshot], origin: Origin
) -> Subscription | None:
    """Write what the provider answered, with the latest invoice that came along.

    Args:
        customer: whose lock the caller holds.
        seen: the subscription as it was read before the provider was asked, with its plan and its price.

    Returns:
        The subscription, at least as new as the answer, with the client secret that came along; ``None`` if somebody
        has to look again.
    """
    subscription = lock_subscription(seen.pk)
    verdict = judge(subscription, look=look, is_over=subscription.has_ended and subscription.given_up is None)
    if verdict is Verdict.LOOK:
        return None
    subscription.customer = customer
    prove_account(subscription)
    note_found(subscription, origin)
    if (subscription.plan_id, subscription.pricing_id) == (seen.plan_id, seen.pricing_id):
        subscription.plan, subscription.pricing = seen.plan, seen.pricing
    answer = look.answer
    if verdict is Verdict.WRITE:
        try:
            apply_subscription(subscription, answer, origin)
            if answer.latest_invoice is not None:
                store_invoice(subscription, answer.latest_invoice, origin, looked_at=look.began)
        except SnapshotMismatch as mismatch:
            logger.error("The provider's answer contradicts subscription %s: %s.", seen.pk, mismatch)
            write_log(subscription, SubscriptionLogEvent.MISMATCH, origin, str(mismatch))
    subscription.client_secret, subscription.client_secret_kind = answer.client_secret, answer.client_secret_kind
    return subscription


# Subscriptions.


def add_subscription(customer: Customer, snapshot: SubscriptionSnapshot, origin: Origin) -> Subscription:
    """Store a subscription that was made elsewhere (the Dashboard, another system) for a customer of ours."""
    subscription = Subscription(
        customer=customer,
        variant=customer.variant,
        provider_id=snapshot.subscription_id,
        livemode=bool(snapshot.livemode),
        account_id=customer.account_id,
        metadata=dict(snapshot.metadata),
    )
    subscription.save(using=payments_database())
    handle_arrivals(snapshot.subscription_id)
    write_log(subscription, SubscriptionLogEvent.CREATED, origin, "found at the provider")
    return subscription


def apply_subscription(
    subscription: Subscription, snapshot: SubscriptionSnapshot, origin: Origin, said_at: datetime | None = None
) -> bool:
    """Move the locked ``subscription`` to what ``snapshot`` says, as far as the transition table allows.

    The caller has seen to it that the snapshot is newer than the row, and has noted so on the row.

    Args:
        said_at: when the provider made the event that brought the snapshot.

    Returns:
        Whether anything changed beside the time of the look.

    Raises:
        SnapshotMismatch: ids or live mode contradict the row.
    """
    verify_lengths(subscription, snapshot, MIRRORED)
    if subscription.provider_id and snapshot.subscription_id != subscription.provider_id:
        raise SnapshotMismatch("subscription differs")
    verify_customer(subscription, snapshot)
    if snapshot.livemode is not None and snapshot.livemode != subscription.livemode:
        raise SnapshotMismatch("live mode differs")
    before, items = copy(subscription), None
    subscription.provider_id = snapshot.subscription_id
    _take_back(subscription, snapshot, origin)
    # What has ended stays as it was when it ended, but for the ids.
    if not subscription.has_ended:
        _take_values(subscription, snapshot)
        items = _take_items(subscription, snapshot)
        take_schedule(subscription, snapshot)
        note_lateness(subscription, snapshot, said_at)
        note_end(subscription, before)
        follow_pause(subscription, snapshot)
        follow_periods(subscription, before, items)
    changed = _changed(subscription, before, ["status", "provider_id", *DERIVED, *MIRRORED, *OF_PLAN, *SCHEDULED])
    if "provider_id" in changed:
        handle_arrivals(snapshot.subscription_id)
    subscription.save(using=payments_database(), update_fields=[*changed, "periods_since", *TIMES])
    if changed:
        announce_change(subscription, before, changed, origin)
        log_dropped(subscription, before, origin)
    if items is not None:
        announce_items(subscription, items, origin)
    return bool(changed) or (items is not None and items.differ)


def _take_back(subscription: Subscription, snapshot: SubscriptionSnapshot, origin: Origin) -> None:
    """Undo that staff have given up on a locked subscription: the provider knows it, and says how it stands."""
    if subscription.given_up is None:
        return
    if can_transition_subscription(subscription.status, snapshot.status, was_given_up=True):
        subscription.status, subscription.ended_at = snapshot.status, snapshot.ended_at
        write_log(subscription, SubscriptionLogEvent.GIVEN_UP, origin, f"taken back: it is {snapshot.status}")
        logger.warning("Subscription %s was given up, and is %s at the provider.", subscription.pk, snapshot.status)
    subscription.given_up = subscription.lost = subscription.missing_since = None
    subscription.save(using=payments_database(), update_fields=["given_up", "lost", "missing_since", "modified"])


def verify_customer(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    """Raise ``SnapshotMismatch`` if what is said of a subscription is said of somebody else's."""
    if snapshot.customer_id and not subscription.customer.is_known_as(snapshot.customer_id):
        raise SnapshotMismatch("customer differs")


def _take_values(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    if can_transition_subscription(subscription.status, snapshot.status):
        subscription.status = snapshot.status
    for name in MIRRORED:
        value = known_discounts(subscription, snapshot) if name == "discounts" else getattr(snapshot, name)
        if value or name not in KEPT_WHEN_MISSING:
            setattr(subscription, name, value)
    if subscription.customer.has_erased(subscription.created):
        subscription.cancellation_comment = ""


def known_discounts(subscription: Subscription, snapshot: SubscriptionSnapshot) -> list[dict[str, str | None]]:
    """Return the discounts with what was known of them: an event tells no more than their ids."""
    known = {discount.get("discount"): discount for discount in subscription.discounts}
    return [{**known.get(said.get("discount"), {}), **said} for said in snapshot.discounts]


def are_discounts_in_doubt(subscription: Subscription, snapshot: SubscriptionSnapshot) -> bool:
    """Return whether nothing says yet of which coupon or code a discount is, of which an event tells the id."""
    return any("coupon" not in known for known in known_discounts(subscription, snapshot))


def _take_items(subscription: Subscription, snapshot: SubscriptionSnapshot) -> SyncedItems | None:
    """Take over the items, and from the one that is the plan what the subscription is."""
    for name in PERIOD:
        setattr(subscription, name, getattr(snapshot, name) or getattr(subscription, name))
    if not snapshot.items:
        # An old answer lacks them; a subscription has one at least.
        return None
    synced = sync_items(subscription, snapshot.items)
    take_plan(subscription, synced.main)
    return synced


# Their invoices.


def store_invoice(
    subscription: Subscription, snapshot: InvoiceSnapshot, origin: Origin, *, looked_at: datetime
) -> None:
    """Write an invoice that came along with its subscription; the caller holds the customer's lock.

    Args:
        looked_at: when the provider was asked; what is known from later on is kept.

    Raises:
        SnapshotMismatch: it contradicts the row.
    """
    customer = subscription.customer
    invoice = lock_invoice(customer.variant, snapshot.invoice_id) or new_invoice(customer, snapshot, subscription)
    if invoice.subscription_id == subscription.pk:
        invoice.subscription = subscription
    if judge(invoice, look=Look(None, looked_at, snapshot)) is not Verdict.KEEP:
        apply_invoice(invoice, snapshot, origin)


def new_invoice(customer: Customer, snapshot: InvoiceSnapshot, subscription: Subscription | None) -> Invoice:
    """Return the row of an invoice of a customer whose row is locked; ``apply_invoice`` stores it."""
    return Invoice(
        customer=customer,
        subscription=subscription,
        variant=customer.variant,
        provider_id=snapshot.invoice_id,
        status=InvoiceStatus.DRAFT,
        currency=snapshot.currency,
        livemode=customer.livemode,
        account_id=customer.account_id,
    )


def apply_invoice(invoice: Invoice, snapshot: InvoiceSnapshot, origin: Origin) -> bool:
    """Move the locked (or new) ``invoice`` to what ``snapshot`` says, as far as the transition table allows.

    The caller has seen to it that the snapshot is newer than the row, and has noted so on the row.

    Returns:
        Whether anything changed.

    Raises:
        SnapshotMismatch: ids, currency or live mode contradict the row.
    """
    verify_lengths(invoice, snapshot, MIRRORED_OF_INVOICE)
    if snapshot.invoice_id != invoice.provider_id:
        raise SnapshotMismatch("invoice differs")
    if snapshot.livemode is not None and snapshot.livemode != invoice.livemode:
        raise SnapshotMismatch("live mode differs")
    if snapshot.customer_id and not invoice.customer.is_known_as(snapshot.customer_id):
        raise SnapshotMismatch("customer differs")
    if invoice.currency and snapshot.currency != invoice.currency:
        raise SnapshotMismatch("currency differs")
    before = copy(invoice)
    if can_transition_invoice(invoice.status, snapshot.status):
        invoice.status = snapshot.status
    for name in MIRRORED_OF_INVOICE:
        value = getattr(snapshot, name)
        if value or name not in KEPT_WHEN_MISSING:
            setattr(invoice, name, value)
    if invoice.customer.has_erased(invoice.created):
        for name in PERSONAL_OF_INVOICE:
            setattr(invoice, name, "")
    invoice.issued = snapshot.created or invoice.issued
    changed = _changed(invoice, before, ["status", "issued", *MIRRORED_OF_INVOICE])
    invoice.save(using=payments_database(), update_fields=None if invoice.pk is None else [*changed, *TIMES])
    note_under_way(invoice, is_under_way=snapshot.is_under_way)
    if before.pk is None or "intent_id" in changed:
        # Its credit notes, refunds and disputes may have come before.
        handle_arrivals(invoice.provider_id, invoice.intent_id)
    tell_of_payment(invoice, before, origin)
    if changed and invoice.subscription is not None:
        note_payment(invoice.subscription, snapshot)
        note_paid_period(invoice.subscription, snapshot)
        note_settled(invoice)
        note_money(invoice.subscription)
        announce_invoice(invoice, invoice.subscription, before, origin)
    return bool(changed)


def _changed(row: Model, before: Model, names: Iterable[str]) -> list[str]:
    columns = {name: row._meta.get_field(name).attname for name in names}  # type: ignore[union-attr]
    return [name for name, column in columns.items() if getattr(row, column) != getattr(before, column)]
