"""Gather what was used into events for the provider's meters: each line of the ledger in exactly one of them.

A line's use is reported with a time in its own billing period: lines are gathered by owner, metric and hour, and never
across a moment at which what is charged changes: a period, a trial or a subscription begins or ends, or a price comes
to one. The event is committed, with the identifier that makes the provider count it once, before anything is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, Sum

from django_stripe_gateway.choices import MeterEventState, SubscriptionLogEvent
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.registry import has_meters
from django_stripe_gateway.models import Customer, MeterEvent, Subscription, SubscriptionLog, UsageRecord
from django_stripe_gateway.services.usage.periods import as_aware
from django_stripe_gateway.services.usage.transactions import usage_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS

# SQLite takes so many parameters at least.
BATCH = 500
# Not "= True": Django writes that as the bare column, for which SQLite and MariaDB use no index.
WAITING = {"awaits_meter__in": (True,)}
# Items can have periods of their own, and one that is added counts what is used from then on.
PERIOD = ("current_period_start", "current_period_end")
# What is known to end later counts, also while nobody has told us that it has.
ENDS = ("trial_end", "cancel_at", "ended_at")
CHANGES = (SubscriptionLogEvent.UPDATED, SubscriptionLogEvent.ITEMS_CHANGED)
BOUNDARIES = (*PERIOD, *ENDS, *(f"items__{name}" for name in ("created", "added_at", *PERIOD)))


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that become one event."""

    owner_id: Any
    metric: str
    hour: datetime
    periods_begun: int


def gather_meter_events(*, owner_id: Any = None) -> int:
    """Make events of all lines that wait, and return how many; several processes can do it at once.

    Args:
        owner_id: of one owner's alone.
    """
    rows = _ledger().filter(**WAITING)
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    # Keys only, and all at once: a condition on the key would lead SQLite through the whole ledger.
    waiting = list(rows.order_by("pk").values_list("pk", flat=True))
    made = 0
    for start in range(0, len(waiting), BATCH):
        lines = _ledger().filter(pk__in=waiting[start : start + BATCH], awaits_meter=True).order_by("pk")
        made += _gather(list(lines.values_list("pk", "owner_id", "metric", "created")))
    return made


def _gather(lines: Sequence[tuple[int, Any, str, datetime]]) -> int:
    owners = {owner_id for _pk, owner_id, _metric, _created in lines}
    customers = _customers(owners)
    boundaries = _boundaries(owners, since=min(created for _pk, _owner_id, _metric, created in lines))
    groups: dict[Group, list[tuple[int, datetime]]] = defaultdict(list)
    never_billed = []
    for pk, owner_id, metric, created in lines:
        if owner_id not in customers or metric not in gateway_settings.usage_meters:
            # Used before there was anybody to bill.
            never_billed.append(pk)
            continue
        hour = as_aware(created).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        begun = sum(moment <= created for moment in boundaries[owner_id])
        groups[Group(owner_id, metric, hour, begun)].append((pk, created))
    _ledger().filter(pk__in=never_billed).update(awaits_meter=False)
    made = 0
    for group, members in groups.items():
        customer = customers[group.owner_id]
        # One whose provider is being asked for it at this moment gets its events with the next run.
        if customer.exists_at_provider:
            made += _store(customer, group.metric, members)
    return made


def _store(customer: Customer, metric: str, members: Sequence[tuple[int, datetime]]) -> bool:
    using = usage_database()
    with transaction.atomic(using=using):
        event = MeterEvent(
            customer=customer,
            metric=metric,
            event_name=gateway_settings.usage_meters[metric],
            value=0,
            occurred=min(created for _pk, created in members),
        )
        event.save(using=using)
        # Whoever gathers the same lines at this moment waits here, and finds them taken.
        taken = _ledger().filter(pk__in=[pk for pk, _created in members], awaits_meter=True)
        if not taken.update(awaits_meter=False, meter_event=event):
            event.delete(using=using)
            return False
        event.value = _ledger().filter(meter_event=event).aggregate(total=Sum("quantity"))["total"]
        if not event.value:
            # All of it was given back: there is nothing to report.
            event.state = MeterEventState.SENT
        event.save(using=using)
        return True


def _customers(owners: set[Any]) -> dict[Any, Customer]:
    """Return each owner's customer in the account that sells subscriptions."""
    rows = Customer.objects.using(usage_database()).filter(owner_id__in=owners, deleted=None)
    rows = rows.of_configured_account().order_by("-pk")
    wanted = gateway_settings.billing_variant
    return {row.owner_id: row for row in rows if (row.variant == wanted if wanted else has_meters(row.variant))}


def _boundaries(owners: set[Any], since: datetime) -> dict[Any, list[datetime]]:
    """Return the moments after ``since`` at which what is charged for each owner's use changes."""
    went_on = ~Q(status__in=ENDED_SUBSCRIPTIONS) | Q(ended_at__gte=since)
    rows = Subscription.objects.using(usage_database()).filter(went_on, customer__owner_id__in=owners)
    found: dict[Any, list[datetime]] = defaultdict(list)
    for owner_id, *moments in rows.values_list("customer__owner_id", *BOUNDARIES):
        found[owner_id] += [moment for moment in moments if moment is not None]
    # Of a price that is changed or removed nothing else tells the moment.
    logs = SubscriptionLog.objects.using(usage_database()).filter(event__in=CHANGES, created__gte=since)
    logs = logs.filter(subscription__customer__owner_id__in=owners)
    for owner_id, moment in logs.values_list("subscription__customer__owner_id", "created"):
        found[owner_id].append(moment)
    return found


def _ledger() -> Any:
    # The plain manager: that a line was reported is the one thing about it that changes.
    return UsageRecord._base_manager.using(usage_database())
