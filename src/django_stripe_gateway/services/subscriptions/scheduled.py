"""What becomes of a subscription at the end of its period: the columns that follow the provider's schedule.

Whoever made the schedule. An event about a subscription only names it; an answer brings it along.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime

from django_stripe_gateway.choices import SubscriptionLogEvent
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.schedule_values import SchedulePhase, ScheduleSnapshot
from django_stripe_gateway.models import Subscription, SubscriptionItem
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import verify_lengths
from django_stripe_gateway.services.subscriptions.items import find_plans, main_item
from django_stripe_gateway.services.transactions import payments_database

SCHEDULED = ("schedule_id", "scheduled_change_at", "scheduled_price_id", "scheduled_pricing", "scheduled_quantity")
# What a phase says of an item.
OF_PHASE = "price_id product_id amount currency interval interval_count is_metered".split()


def take_schedule(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    """Let a locked subscription have the scheduled change that its provider says; one that is over has none.

    Raises:
        SnapshotMismatch: a text is longer than its column.
    """
    verify_lengths(subscription, snapshot, ("schedule_id",))
    if subscription.has_ended or snapshot.schedule_id != subscription.schedule_id:
        _clear(subscription)
    if subscription.has_ended:
        return
    subscription.schedule_id = snapshot.schedule_id
    if snapshot.schedule is not None:
        _take_change(subscription, snapshot.schedule.next_change)


def is_schedule_in_doubt(subscription: Subscription, snapshot: SubscriptionSnapshot, said_at: datetime | None) -> bool:
    """Return whether what an event says of a subscription is not enough to know its scheduled change.

    Args:
        said_at: when the provider made the event: a change whose time has come is one no more.
    """
    if snapshot.schedule is not None or not snapshot.schedule_id:
        return False
    due = subscription.scheduled_change_at
    return snapshot.schedule_id != subscription.schedule_id or (due is not None and (said_at is None or said_at >= due))


def is_known(subscription: Subscription, schedule: ScheduleSnapshot) -> bool:
    """Return whether a subscription has what its schedule says already."""
    if not schedule.is_running:
        return subscription.schedule_id != schedule.schedule_id
    told = copy(subscription)
    _take_change(told, schedule.next_change)
    same = all(_value(told, name) == _value(subscription, name) for name in SCHEDULED)
    return subscription.schedule_id == schedule.schedule_id and same


def log_dropped(subscription: Subscription, before: Subscription, origin: Origin) -> None:
    """Log that a scheduled change will not happen any more, if it has not happened."""
    if before.scheduled_change_at is None or subscription.scheduled_change_at is not None:
        return
    if before.scheduled_price_id == subscription.price_id and before.scheduled_quantity == subscription.quantity:
        return
    price, quantity = before.scheduled_pricing or before.scheduled_price_id, before.scheduled_quantity
    message = f"scheduled change dropped: {quantity} x {price}"
    data = {"schedule_id": before.schedule_id, "at": before.scheduled_change_at.isoformat()}
    write_log(subscription, SubscriptionLogEvent.UPDATED, origin, message, data)


def _clear(subscription: Subscription) -> None:
    subscription.schedule_id = ""
    _take_change(subscription, None)


def _take_change(subscription: Subscription, phase: SchedulePhase | None) -> None:
    item = None if phase is None else _plan_of(subscription, phase)
    subscription.scheduled_change_at = None if phase is None else phase.start
    subscription.scheduled_price_id = "" if item is None else item.price_id
    subscription.scheduled_pricing = None if item is None else item.pricing
    subscription.scheduled_quantity = None if item is None else item.quantity


def _plan_of(subscription: Subscription, phase: SchedulePhase) -> SubscriptionItem | None:
    """Return the item of a phase that will be the plan, found as that of a subscription is."""
    items = []
    for snapshot in phase.items:
        # Items of a phase have no ids; no price comes twice.
        item = SubscriptionItem(provider_id=snapshot.price_id, **{name: getattr(snapshot, name) for name in OF_PHASE})
        verify_lengths(item, snapshot, OF_PHASE)
        item.quantity = 1 if snapshot.quantity is None else snapshot.quantity
        items.append(item)
    find_plans(subscription.variant, items)
    # What is charged beside the plan goes on beside it.
    others = subscription.items.using(payments_database()).exclude(provider_id=subscription.item_id)
    beside = set(others.values_list("price_id", flat=True))
    main = main_item([item for item in items if item.price_id not in beside])
    return main_item(items, "" if main is None else main.provider_id)


def _value(subscription: Subscription, name: str) -> object:
    return getattr(subscription, subscription._meta.get_field(name).attname)  # type: ignore[union-attr]
