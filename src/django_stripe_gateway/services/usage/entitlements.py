"""What an owner may use now, of all metrics and of one: one query, whatever the number of limits and records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from fractions import Fraction
from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import UnknownMetric
from django_stripe_gateway.models import LimitOverride, PlanLimit, UsageGrant
from django_stripe_gateway.services.usage.allowances import Allowance, Counted
from django_stripe_gateway.services.usage.entitlement_query import Row, Source, entitlement_rows
from django_stripe_gateway.services.usage.periods import (
    BillingPeriod,
    as_aware,
    rule_of,
    time_zone_of,
    window_of,
)
from django_stripe_gateway.services.usage.transactions import usage_database

MODELS_WITH_METRICS: tuple[type[Model], ...] = (PlanLimit, LimitOverride, UsageGrant)


@dataclass(frozen=True, slots=True)
class PlanName:
    """Which plan an answer is about."""

    pk: int
    slug: str
    name: str


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
    that allows most per day (see ``PeriodRule.days``). Without a valid subscription the default plan applies. An
    override of the owner's takes the place of both; grants come on top.
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
        paid = BillingPeriod(as_aware(row.starts), as_aware(row.ends)) if row.starts and row.ends else None
        window = window_of(row.period, now, zone, paid)
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
    newest = max(plan_rows, key=lambda row: row.used, default=None)
    plan = PlanName(newest.parent, newest.slug, newest.name) if newest else None
    return Entitlements(plan, zone, now, found)


Reading = tuple[Entitlements, Allowance]


def read_allowance(owner: Any, metric: str) -> Reading:
    """Return what ``owner`` may use now, and of ``metric``: nothing of what only other plans have.

    Raises:
        UnknownMetric: no plan has it, so that a slip of the pen is not taken for a spent limit.
    """
    entitlements = entitlements_of(owner)
    found = entitlements.allowances.get(metric)
    if found is not None:
        return entitlements, found
    is_known = metric in gateway_settings.usage_meters or any(
        model._default_manager.using(usage_database()).filter(metric=metric).exists() for model in MODELS_WITH_METRICS
    )
    if not is_known:
        raise UnknownMetric(_("No plan limits “%(metric)s”.") % {"metric": metric}, field="metric")
    window = window_of(LimitPeriod.LIFETIME, entitlements.now, entitlements.zone, None)
    return entitlements, Allowance(metric, 0, LimitPeriod.LIFETIME, window)


def _most_generous(rows: list[Row]) -> dict[str, Row]:
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.pk or 0):
        if row.metric and (row.metric not in best or _generosity(row) > _generosity(best[row.metric])):
            best[row.metric] = row
    return best


def _generosity(row: Row) -> tuple[bool, Fraction]:
    return row.limit is None, Fraction(row.limit or 0, rule_of(LimitPeriod(row.period)).days)
