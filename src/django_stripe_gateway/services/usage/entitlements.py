"""What an owner may use now, of all metrics and of one: one query, whatever the number of limits and records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import UnknownMetric
from django_stripe_gateway.models import LimitOverride, PlanLimit, UsageGrant
from django_stripe_gateway.services.usage.allowances import Allowance
from django_stripe_gateway.services.usage.carrying import Counted, carried_into
from django_stripe_gateway.services.usage.entitlement_query import (
    Row,
    Source,
    entitlement_rows,
    uncollected_metrics,
)
from django_stripe_gateway.services.usage.periods import THE_BEGINNING, as_aware, time_zone_of, window_of
from django_stripe_gateway.services.usage.plan_limits import PlannedLimit, planned_limits
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
    """What an owner may use now; ``plan`` is the one that ``active_plan`` returns."""

    plan: PlanName | None
    zone: tzinfo
    now: datetime
    allowances: Mapping[str, Allowance] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Allowance]:
        return iter(self.allowances.values())


def entitlements_of(owner: Any) -> Entitlements:
    """Return what ``owner`` may use now.

    Plans and add-ons say what is allowed (see ``planned_limits``). An override of the owner's takes the place of that;
    grants come on top. What was used in a period that was cut short still counts (see ``carrying``). What is charged
    by use cannot be used while a pause lets nobody pay for it, unless a pause is a present.
    """
    stored_now = timezone.now()
    now, zone = as_aware(stored_now), time_zone_of(owner)
    rows: dict[Source, list[Row]] = {source: [] for source in Source}
    for row in entitlement_rows(owner, stored_now):
        rows[row.source].append(row)
    planned = planned_limits((*rows[Source.SUBSCRIPTION], *rows[Source.ITEM]), rows[Source.DEFAULT_PLAN])
    limits = dict(planned.limits)
    for row in rows[Source.OVERRIDE]:
        plans_own = limits.get(row.metric)
        period = LimitPeriod(row.period) if row.period else plans_own.period if plans_own else LimitPeriod.DAY
        limits[row.metric] = PlannedLimit(row.limit, period, plans_own.billing if plans_own else planned.billing)
    for row in rows[Source.GRANT]:
        # A grant of something that the plan does not have is a limit of 0 with the grant on top.
        limits.setdefault(row.metric, PlannedLimit(0, LimitPeriod.LIFETIME, None))
    granted = {row.metric: row.used for row in rows[Source.GRANT]}
    counters: dict[str, list[Counted]] = defaultdict(list)
    for row in rows[Source.COUNTER]:
        counters[row.metric].append(_counted(row))
    is_paused = any(row.is_uncollected for row in (*rows[Source.SUBSCRIPTION], *rows[Source.ITEM]))
    uncollected = uncollected_metrics(owner) if is_paused and not gateway_settings.paused_is_valid else ()
    found = {}
    for metric, limit in limits.items():
        window = window_of(limit.period, now, zone, limit.billing)
        others = [one for one in counters[metric] if one.key != window.key]
        found[metric] = Allowance(
            metric=metric,
            base=0 if metric in uncollected else limit.limit,
            period=limit.period,
            window=window,
            counter=next((one for one in counters[metric] if one.key == window.key), None),
            granted=granted.get(metric, 0),
            carried=carried_into(window, others, now),
            open_elsewhere=next((one for one in others if one.is_open and window.carries_since is not None), None),
            is_uncollected=metric in uncollected,
        )
    plan = PlanName(planned.plan.parent, planned.plan.slug, planned.plan.name) if planned.plan else None
    return Entitlements(plan, zone, now, found)


def _counted(row: Row) -> Counted:
    return Counted(
        pk=row.pk,
        period=row.period,
        key=row.slug,
        used=row.used,
        reserved=row.reserved,
        extra=row.extra,
        expired=row.expired,
        ends=row.ends and as_aware(row.ends),
        last_used=as_aware(row.since or THE_BEGINNING),
        is_open=row.is_open,
        reopened=row.quantity,
        item_id=row.item_id,
    )


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
