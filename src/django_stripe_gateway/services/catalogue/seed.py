"""Write the plans of a catalogue as rows; a push asks the provider afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import IntegrityError

from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing
from django_stripe_gateway.services.catalogue.entries import LimitEntry, PlanEntry, PriceEntry, every_of
from django_stripe_gateway.services.catalogue.rows import SETTINGS, lock_plan, rows_of, taken_prices
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue
from django_stripe_gateway.services.catalogue.steps import CatalogueStep, steps_for
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

PLAN_FIELDS = ("name", "description", "auto_renew", "is_default", "is_add_on", "is_active", "position")


@dataclass(slots=True)
class SeededPlan:
    """A plan as an entry wants it, and what was changed for that, for people."""

    plan: Plan
    rows: list[PlanPricing]
    changes: list[str] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        """Whether there is no row of it yet."""
        return self.plan.pk is None

    def planned_steps(self, catalogue: ProviderCatalogue) -> list[CatalogueStep]:
        """Return what a push would do at the provider."""
        return steps_for(self.plan, self.rows, catalogue, taken_prices())


def preview_entry(*, entry: PlanEntry, variant: str) -> SeededPlan:
    """Return what ``store_entry`` would do; nothing is written."""
    plan = Plan.objects.using(payments_database()).filter(slug=entry.slug).first()
    return _merged(entry, plan, variant)


def store_entry(*, entry: PlanEntry, variant: str) -> SeededPlan:
    """Write a plan with its prices of one variant and its limits; a repeat changes nothing.

    Args:
        variant: payment variant that sells it.
    """
    try:
        return _store(entry, variant)
    except IntegrityError:
        # Another process has just added it.
        return _store(entry, variant)


@retry_on_deadlock
def _store(entry: PlanEntry, variant: str) -> SeededPlan:
    with money_transaction():
        found = Plan.objects.using(payments_database()).filter(slug=entry.slug).values_list("pk", flat=True).first()
        seeded = _merged(entry, None if found is None else lock_plan(found), variant)
        is_new = seeded.is_new
        if not seeded.changes:
            return seeded
        seeded.plan.save(using=payments_database())
        # What takes a price's place has a row before that names it.
        for row in sorted(seeded.rows, key=lambda row: row.pk is not None):
            row.plan = seeded.plan
            row.save(using=payments_database())
        if is_new or entry.is_complete:
            _store_limits(seeded.plan, entry.limits)
        if seeded.plan.is_default:
            others = Plan.objects.using(payments_database()).filter(is_default=True).exclude(pk=seeded.plan.pk)
            others.update(is_default=False)
        return seeded


def _merged(entry: PlanEntry, plan: Plan | None, variant: str) -> SeededPlan:
    if plan is None:
        new = Plan(slug=entry.slug, **{name: getattr(entry, name) for name in PLAN_FIELDS})
        seeded = SeededPlan(new, [], ["plan created"])
    else:
        seeded = SeededPlan(plan, rows_of(plan, variant))
        if entry.is_complete:
            seeded.changes += _set_fields(plan, entry)
            seeded.changes += _limit_changes(plan, entry.limits)
    chosen = [_choose(seeded, price, entry, variant) for price in entry.prices]
    wanted = {price.every for price in entry.prices}
    for row in seeded.rows:
        # A price that was made for somebody is none of a list's concern.
        is_rival = row.is_public and (entry.is_complete or every_of(row) in wanted)
        if row.is_active and is_rival and not any(row is other for other in chosen):
            row.is_active = False
            heirs = [other for other in chosen if every_of(other) == every_of(row) and not other.stripe_price_id]
            replaced = [other for other in seeded.rows if other.replaced_by_id == row.pk]
            row.replaced_by = None
            # Of what the provider never got nobody was sold anything: what it was to replace waits for the next one.
            for other in [row] if row.stripe_price_id else replaced:
                other.replaced_by = heirs[0] if heirs else None
            for other in (row, *replaced):
                other.is_default = other.is_default and other.is_standing_in
            seeded.changes.append(f"price {row} deactivated")
    return seeded


def _choose(seeded: SeededPlan, price: PriceEntry, entry: PlanEntry, variant: str) -> PlanPricing:
    """Return the row that is sold at a price: one that there is, on sale or not, or a new one."""
    alike = [row for row in seeded.rows if every_of(row) == price.every]
    alike.sort(key=lambda row: (row.is_public, row.is_active, row.pk or 0), reverse=True)
    settings = _settings(seeded, price, alike, entry)
    row = next((row for row in alike if row.amount == price.amount), None)
    if row is None:
        row = PlanPricing(variant=variant, **asdict(price) | settings)
        seeded.rows.append(row)
        seeded.changes.append(f"price {row} created")
        return row
    changed = [name for name, value in settings.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, settings[name])
    if not row.is_active:
        row.is_active, row.replaced_by = True, None
        seeded.changes.append(f"price {row} activated")
    elif changed:
        seeded.changes.append(f"price {row} updated")
    return row


def _settings(seeded: SeededPlan, price: PriceEntry, alike: Sequence[PlanPricing], entry: PlanEntry) -> dict[str, Any]:
    """Return what is said of a price beside its terms: by a file, or else by the row that was sold until now."""
    settings = {name: getattr(price, name) for name in SETTINGS}
    if entry.is_complete:
        return settings
    if alike and alike[0].is_public:
        settings = {name: getattr(alike[0], name) for name in SETTINGS}
        settings["is_default"] = alike[0].is_default if alike[0].is_active else price.is_default
    others = [row for row in seeded.rows if row not in alike and row.is_active and row.currency == price.currency]
    settings["is_default"] = settings["is_default"] and not any(row.is_default for row in others)
    return settings


def _set_fields(plan: Plan, entry: PlanEntry) -> list[str]:
    changed = [name for name in PLAN_FIELDS if getattr(plan, name) != getattr(entry, name)]
    for name in changed:
        setattr(plan, name, getattr(entry, name))
    return [f"{name.removeprefix('is_')} updated" for name in changed]


def _limit_changes(plan: Plan, limits: Iterable[LimitEntry]) -> list[str]:
    rows = PlanLimit.objects.using(payments_database()).filter(plan=plan)
    stored = set(rows.values_list("metric", "limit", "period", "is_per_unit"))
    wanted = {(limit.metric, limit.limit, str(limit.period), limit.is_per_unit) for limit in limits}
    return ["limits updated"] if stored != wanted else []


def _store_limits(plan: Plan, limits: Iterable[LimitEntry]) -> None:
    rows = PlanLimit.objects.using(payments_database()).filter(plan=plan)
    rows.exclude(metric__in=[limit.metric for limit in limits]).delete()
    for limit in limits:
        values = {"limit": limit.limit, "period": limit.period, "is_per_unit": limit.is_per_unit}
        rows.update_or_create(plan=plan, metric=limit.metric, defaults=values)
