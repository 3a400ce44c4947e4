"""What plans and add-ons allow, before overrides and grants: one limit for each metric.

1. Each plan in a valid subscription allows what it lists; of what it does not list, what the default plan allows:
   who pays never gets less than who does not. To take a metric away, a plan lists it with 0.
2. What is per unit is multiplied by the quantity of the item.
3. Of several plans, also in one subscription, counts the most generous limit of each metric: none at all before any,
   then the one that allows most per day (``PeriodRule.days``), then the plan that is the owner's: of those that
   subscriptions are, the first by ``plan_rank``. A plan that is charged beside them, however dear, only adds limits.
4. Add-ons are added to that, each to the limit of its own kind of period. With another period than every plan's an
   add-on is no addition: the more generous of both counts.
5. Without a subscription to a plan, the default plan is the plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.models.subscription_items import plan_rank
from django_stripe_gateway.services.usage.entitlement_query import Row, Source
from django_stripe_gateway.services.usage.periods import BillingPeriod, as_aware, rule_of

# As much as the database's numbers hold.
MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class PlannedLimit:
    """What is allowed of one metric, and the paid period of the subscription that allows it."""

    limit: int | None
    period: LimitPeriod
    billing: BillingPeriod | None

    @property
    def generosity(self) -> tuple[bool, Fraction]:
        """What limits of one metric are compared by."""
        return self.limit is None, Fraction(self.limit or 0, rule_of(self.period).days)

    def plus(self, other: PlannedLimit) -> PlannedLimit:
        """Return both together, in this one's period."""
        total = None if self.limit is None or other.limit is None else min(MOST, self.limit + other.limit)
        return PlannedLimit(total, self.period, self.billing)


@dataclass(frozen=True, slots=True)
class PlannedLimits:
    """What plans allow, by metric; ``plan`` is a row of the one that is the owner's, ``billing`` its paid period."""

    plan: Row | None
    billing: BillingPeriod | None
    limits: Mapping[str, PlannedLimit]


def planned_limits(bought: Iterable[Row], default: Sequence[Row]) -> PlannedLimits:
    """Return what is allowed by what was bought and by the default plan, all as rows of limits."""
    bought = list(bought)
    items: dict[tuple[int, str, int], list[Row]] = defaultdict(list)
    for row in sorted((row for row in bought if not row.is_add_on), key=_rank, reverse=True):
        items[row.subscription_pk, row.item_id, row.parent].append(row)
    plans = [(_billing(rows[0]), rows) for rows in items.values()] or [(None, list(default))]
    found: dict[str, dict[LimitPeriod, PlannedLimit]] = defaultdict(dict)
    for billing, rows in plans:
        listed = {row.metric for row in rows}
        lacking = [row for row in default if row.metric not in listed]
        for row in (*_listing(rows), *_listing(lacking)):
            limit = _limit(row, billing)
            known = found[row.metric].get(limit.period)
            if known is None or limit.generosity > known.generosity:
                found[row.metric][limit.period] = limit
    for row in _listing(row for row in bought if row.is_add_on):
        limit = _limit(row, _billing(row))
        known = found[row.metric].get(limit.period)
        found[row.metric][limit.period] = limit if known is None else known.plus(limit)
    # Of equals the first, which is of the plan that is the owner's.
    limits = {
        metric: max(by_period.values(), key=lambda limit: limit.generosity) for metric, by_period in found.items()
    }
    billing, rows = plans[0]
    # What no subscription is, nobody's plan is either, as ``active_plan`` has it.
    named = [row for row in rows if row.source is not Source.ITEM] or default
    return PlannedLimits(named[0] if named else None, billing, limits)


def _listing(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that hold a limit, as the plan lists them: a plan without any is a row without a metric."""
    return sorted((row for row in rows if row.metric), key=lambda row: row.pk)


def _limit(row: Row, billing: BillingPeriod | None) -> PlannedLimit:
    limit = row.limit
    if limit is not None and row.is_per_unit:
        limit = min(MOST, limit * row.quantity)
    return PlannedLimit(limit, LimitPeriod(row.period), billing)


def _billing(row: Row) -> BillingPeriod | None:
    if row.starts is None or row.ends is None:
        return None
    # Whatever is the subscription's plan has the subscription's period; which item that is may change meanwhile.
    item_id = row.item_id if row.source is Source.ITEM else ""
    return BillingPeriod(as_aware(row.starts), as_aware(row.ends), row.since and as_aware(row.since), item_id)


def _rank(row: Row) -> tuple[object, ...]:
    return row.source is Source.SUBSCRIPTION, *plan_rank(
        is_metered=row.is_metered,
        amount=row.amount,
        interval=row.interval,
        interval_count=row.interval_count,
        quantity=row.quantity,
        subscription_pk=row.subscription_pk,
        item_id=row.item_id,
    )
