"""The one query behind every question about limits: five kinds of rows, brought into one shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Cast, Coalesce

from django_stripe_gateway.choices import ReservationState
from django_stripe_gateway.models import (
    LimitOverride,
    Plan,
    Subscription,
    UsageCounter,
    UsageGrant,
    UsageReservation,
)
from django_stripe_gateway.services.usage.transactions import usage_database


class Source(IntEnum):
    """Where a row comes from."""

    SUBSCRIPTION = 0
    DEFAULT_PLAN = 1
    OVERRIDE = 2
    GRANT = 3
    COUNTER = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One row; what a column means depends on ``source``.

    Args:
        starts, ends: of a subscription's paid period.
        pk: the limit's, or the counter's.
        parent: the plan's key.
        slug: the plan's, or the key of a counter's period.
        used: of a counter; the available units of grants; a subscription's key, by which the newest is found.
        expired: the part of a counter's ``reserved`` whose time is up.
    """

    starts: datetime | None
    ends: datetime | None
    source: Source
    pk: int
    parent: int
    slug: str
    name: str
    metric: str
    limit: int | None
    period: str
    used: int
    reserved: int
    extra: int
    expired: int


COLUMNS = tuple(f"row_{name}" for name in Row.__dataclass_fields__)
NUMBERS = ("pk", "parent", "limit", "used", "reserved", "extra", "expired")


def entitlement_rows(owner: Any, now: datetime) -> Iterator[Row]:
    """Yield everything that decides what ``owner`` may use at ``now``."""
    using = usage_database()
    # Subscriptions first: the databases take the types of a union's columns from its first part.
    first = _subscriptions(owner).using(using)
    others = (_default_plan(), _overrides(owner, now), _grants(owner, now), _counters(owner, now))
    # From Django 6.1 on, a union is sorted as its first model is unless it is asked not to be.
    for values in first.union(*(part.using(using) for part in others), all=True).order_by():
        row = dict(zip(Row.__dataclass_fields__, values, strict=True))
        # MariaDB makes decimals of the unsigned numbers in a union.
        row |= {name: int(row[name]) for name in NUMBERS if row[name] is not None}
        yield Row(**row | {"source": Source(row["source"])})


def _shape(queryset: QuerySet[Any], source: Source, **columns: Any) -> QuerySet[Any, Any]:
    number, text = BigIntegerField(), CharField()
    values: dict[str, Any] = {
        "starts": Value(None, output_field=DateTimeField()),
        "ends": Value(None, output_field=DateTimeField()),
        "pk": Value(0, output_field=number),
        "parent": Value(0, output_field=number),
        "slug": Value("", output_field=text),
        "name": Value("", output_field=text),
        "limit": Value(None, output_field=number),
        "used": Value(0, output_field=number),
        "reserved": Value(0, output_field=number),
        "extra": Value(0, output_field=number),
        "expired": Value(0, output_field=number),
        "source": Value(int(source), output_field=number),
    } | columns
    shaped = queryset.order_by().annotate(**{f"row_{name}": value for name, value in values.items()})
    rows: QuerySet[Any, Any] = shaped.values_list(*COLUMNS)
    return rows


def _subscriptions(owner: Any) -> QuerySet[Any, Any]:
    return _shape(
        Subscription.objects.valid().for_owner(owner).filter(plan__isnull=False),
        Source.SUBSCRIPTION,
        starts=F("current_period_start"),
        ends=F("current_period_end"),
        pk=F("plan__limits__id"),
        parent=F("plan_id"),
        slug=F("plan__slug"),
        name=F("plan__name"),
        metric=F("plan__limits__metric"),
        limit=F("plan__limits__limit"),
        period=F("plan__limits__period"),
        used=F("id"),
    )


def _default_plan() -> QuerySet[Any, Any]:
    first = Plan.objects.filter(is_default=True, is_active=True).order_by("pk").values("pk")[:1]
    return _shape(
        # Not with IN: MariaDB has no LIMIT in its subquery.
        Plan.objects.filter(pk=Subquery(first)),
        Source.DEFAULT_PLAN,
        pk=F("limits__id"),
        parent=F("id"),
        slug=F("slug"),
        name=F("name"),
        metric=F("limits__metric"),
        limit=F("limits__limit"),
        period=F("limits__period"),
    )


def _overrides(owner: Any, now: datetime) -> QuerySet[Any, Any]:
    return _shape(
        LimitOverride.objects.filter(Q(expires__isnull=True) | Q(expires__gt=now), owner=owner),
        Source.OVERRIDE,
        pk=F("id"),
        metric=F("metric"),
        limit=F("limit"),
        period=F("period"),
    )


def _grants(owner: Any, now: datetime) -> QuerySet[Any, Any]:
    available = UsageGrant.objects.available(now).filter(owner=owner)
    # Cast, because the sum of bigints is a decimal to some databases.
    total = Cast(Sum(F("quantity") - F("drawn")), BigIntegerField())
    return _shape(
        available.order_by().values("metric"),
        Source.GRANT,
        metric=F("metric"),
        period=Value("", output_field=CharField()),
        used=total,
    )


def _counters(owner: Any, now: datetime) -> QuerySet[Any, Any]:
    expired = (
        UsageReservation.objects.filter(counter=OuterRef("pk"), state=ReservationState.HELD, expires__lte=now)
        .order_by()
        .values("counter")
        .annotate(total=Cast(Sum("quantity"), BigIntegerField()))
        .values("total")
    )
    return _shape(
        UsageCounter.objects.filter(owner=owner, current_until__gt=now),
        Source.COUNTER,
        pk=F("id"),
        slug=F("period_key"),
        metric=F("metric"),
        period=F("period"),
        used=F("used"),
        reserved=F("reserved"),
        extra=F("extra"),
        expired=Coalesce(Subquery(expired), Value(0), output_field=BigIntegerField()),
    )
