"""What an owner may use now, and has used: one query, whatever the number of limits and records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from fractions import Fraction
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.services.usage.entitlement_query import Row, Source, entitlement_rows
from django_stripe_gateway.services.usage.periods import (
    BillingPeriod,
    Window,
    as_aware,
    as_stored,
    rule_of,
    time_zone_of,
    window_of,
)


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter as it was read."""

    pk: int
    used: int
    reserved: int
    extra: int
    expired: int


@dataclass(frozen=True, slots=True)
class PlanName:
    """Which plan an answer is about."""

    pk: int
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an owner may use of one metric in the period of now.

    Args:
        base: the limit of plan or override, ``None`` for none.
        granted: units of grants that can still be drawn, beside those that this period has drawn already.
    """

    metric: str
    base: int | None
    period: str
    window: Window
    counter: Counted | None = None
    granted: int = 0

    @property
    def is_unlimited(self) -> bool:
        """Whether everything is allowed."""
        return self.base is None

    @property
    def used(self) -> int:
        """What was used in this period."""
        return self.counter.used if self.counter else 0

    @property
    def reserved(self) -> int:
        """What is kept free for work under way; reservations that have expired not counted."""
        return self.counter.reserved - self.counter.expired if self.counter else 0

    @property
    def limit(self) -> int | None:
        """What is allowed in this period, grants included; ``None`` for no limit."""
        if self.base is None:
            return None
        return self.base + (self.counter.extra if self.counter else 0) + self.granted

    @property
    def remaining(self) -> int | None:
        """What can still be used, never below 0; ``None`` for no limit."""
        limit = self.limit
        return None if limit is None else max(0, limit - self.used - self.reserved)

    @property
    def resets_at(self) -> datetime | None:
        """When it starts from zero again, ``None`` for never."""
        return None if self.window.ends is None else as_stored(self.window.ends)

    def allows(self, quantity: int) -> bool:
        """Return whether that much can be used now."""
        remaining = self.remaining
        return remaining is None or quantity <= remaining


@dataclass(frozen=True, slots=True)
class Entitlements:
    """What an owner may use now; ``plan`` is the newest subscription's, or the default one."""

    plan: PlanName | None
    zone: tzinfo
    now: datetime
    allowances: Mapping[str, Allowance] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Allowance]:
        return iter(self.allowances.values())


def entitlements_of(owner: Any) -> Entitlements:
    """Return what ``owner`` may use now.

    The rule for several subscriptions is the most generous limit of each metric: none at all before any, then the one
    that allows most per day (a week has 7 days, a month and a billing period 30, and what never resets 36500). Without
    a valid subscription the default plan applies. An override of the owner's takes the place of both; grants come on
    top.
    """
    stored_now = timezone.now()
    now, zone = as_aware(stored_now), time_zone_of(owner)
    rows: dict[Source, list[Row]] = {source: [] for source in Source}
    for row in entitlement_rows(owner, stored_now):
        rows[row.source].append(row)
    plan_rows = rows[Source.SUBSCRIPTION] or rows[Source.DEFAULT_PLAN]
    limits = _most_generous(plan_rows)
    for row in rows[Source.OVERRIDE]:
        planned = limits.get(row.metric)
        period = row.period or (planned.period if planned else LimitPeriod.DAY)
        billing = planned or next(iter(plan_rows), row)
        limits[row.metric] = replace(row, period=period, starts=billing.starts, ends=billing.ends)
    for row in rows[Source.GRANT]:
        # A grant of something that the plan does not have is a limit of 0 with the grant on top.
        limits.setdefault(row.metric, replace(row, limit=0, period=LimitPeriod.LIFETIME))
    granted = {row.metric: row.used for row in rows[Source.GRANT]}
    counters = {(row.metric, row.slug): row for row in rows[Source.COUNTER]}
    found = {}
    for metric, row in limits.items():
        window = window_of(row.period, now, zone, _billing_period(row))
        counter = counters.get((metric, window.key))
        found[metric] = Allowance(
            metric=metric,
            base=row.limit,
            period=row.period,
            window=window,
            counter=Counted(counter.pk, counter.used, counter.reserved, counter.extra, counter.expired)
            if counter
            else None,
            granted=granted.get(metric, 0),
        )
    return Entitlements(_plan_name(plan_rows), zone, now, found)


def _most_generous(rows: list[Row]) -> dict[str, Row]:
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.pk or 0):
        if row.metric and (row.metric not in best or _generosity(row) > _generosity(best[row.metric])):
            best[row.metric] = row
    return best


def _generosity(row: Row) -> tuple[bool, Fraction]:
    return row.limit is None, Fraction(row.limit or 0, rule_of(LimitPeriod(row.period)).days)


def _billing_period(row: Row) -> BillingPeriod | None:
    return (
        BillingPeriod(as_aware(row.starts), as_aware(row.ends))
        if row.starts and row.ends and row.source != Source.GRANT
        else None
    )


def _plan_name(rows: list[Row]) -> PlanName | None:
    newest = max(rows, key=lambda row: row.used, default=None)
    return PlanName(newest.parent, newest.slug, newest.name) if newest else None
