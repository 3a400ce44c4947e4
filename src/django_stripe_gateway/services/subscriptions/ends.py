"""Who has set that a subscription ends, and what takes that back.

A customer lets a subscription end with its period, and may think better of it. A date in a later period, or in the
middle of one, is the seller's: a contract. A change of plan takes back the former and keeps the latter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.transactions import payments_database

# What ends with the period of something that is charged beside its plan, while that is paid for longer: see
# ``ends_before_plan``, which asks a row.
ENDS_BEFORE_PLAN = Q(cancel_at_period_end=True, cancel_at__lt=F("current_period_end"), schedule_id="") & ~Q(
    cancel_at=F("fixed_end")
)


def ends_before_plan(subscription: Subscription) -> bool:
    """Return whether a subscription that ends with its period ends before its plan's does, which nobody has agreed on.

    An item whose month ends first can come to what is cancelled without us, or with a payment that a change waited for.
    What somebody has scheduled ends as the schedule says.
    """
    ends_at, period_end = subscription.cancel_at, subscription.current_period_end
    if not subscription.cancel_at_period_end or ends_at is None or period_end is None or subscription.schedule_id:
        return False
    return ends_at < period_end and not subscription.ends_as_agreed


def note_end(subscription: Subscription, before: Subscription) -> None:
    """Note the date that was agreed on, as it is when the provider's values have been written.

    Once its last period has begun, an agreed date is the end of the period, as that of a request is. It is known by
    having been noted before, or by having been set in an earlier period. A date that was known stays what it was: that
    it is no period's end any more can be the period's doing, by a longer trial or a yearly price.
    """
    if subscription.cancel_at is None:
        if not subscription.cancel_at_period_end:
            subscription.fixed_end = None
        return
    if subscription.cancel_at == before.cancel_at:
        return
    was_asked_for = before.cancel_at_period_end and not before.ends_as_agreed
    asked, period_start = subscription.canceled_at, subscription.current_period_start
    is_of_earlier = asked is not None and period_start is not None and asked < period_start
    if not subscription.cancel_at_period_end or (is_of_earlier and not was_asked_for):
        subscription.fixed_end = subscription.cancel_at


def note_agreed_end(subscription: Subscription, date: datetime) -> None:
    """Note on a locked subscription the date that the seller has set here, be it the end of the period of now."""
    # As the provider keeps it.
    subscription.fixed_end = date.replace(microsecond=0)
    subscription.save(using=payments_database(), update_fields=["fixed_end", "modified"])


def going_on(subscription: Subscription) -> dict[str, Any]:
    """Return what takes back the customer's own cancellation: an agreed end in a later period is set again."""
    agreed, period_end = subscription.fixed_end, subscription.current_period_end
    if agreed is not None and period_end is not None and agreed > period_end:
        return {"cancel_at": agreed.isoformat()}
    return {"cancel_at_period_end": False}


def end_after_change(subscription: Subscription, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what becomes of a subscription's end when its price changes, as far as ``params`` do not say it.

    Who chooses a price of a plan that renews takes back their cancellation. An agreed end stays.

    Args:
        params: of the change: ``price_id``, ``cancel_at_period_end``, and ``renews`` of the new price's plan.
    """
    if params["price_id"] is None:
        return {}
    if subscription.ends_as_agreed and (params["renews"] or subscription.is_cancelled):
        return {"cancel_at_period_end": None}
    return going_on(subscription) if params["renews"] and subscription.is_cancelled else {}


def has_several_intervals(subscription: Subscription) -> bool:
    """Return whether what a subscription is charged is billed at different times, as far as is known here."""
    items = subscription.items.using(payments_database())
    return len(set(items.values_list("interval", "interval_count").order_by())) > 1


def end_of_plan(found: SubscriptionSnapshot, item_id: str) -> datetime | None:
    """Return when the period of a subscription's plan ends, ``None`` where all of its periods end then.

    Args:
        item_id: the item that is its plan.
    """
    ends = {item.item_id: item.current_period_end for item in found.items}
    return ends.get(item_id) if len(set(ends.values())) > 1 else None
