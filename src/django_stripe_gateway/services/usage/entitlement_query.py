"""The one query behind every question about limits: six kinds of rows, brought into one shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    CharField,
    DateTimeField,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce

from django_stripe_gateway.choices import ReservationState
from django_stripe_gateway.models import (
    LimitOverride,
    Plan,
    Subscription,
    SubscriptionItem,
    UsageCounter,
    UsageGrant,
    UsageReservation,
)
from django_stripe_gateway.models.fields import MoneyField
from django_stripe_gateway.services.usage.periods import PAID
from django_stripe_gateway.services.usage.transactions import usage_database


class Source(IntEnum):
    """Where a row comes from."""

    SUBSCRIPTION = 0
    ITEM = 1
    DEFAULT_PLAN = 2
    OVERRIDE = 3
    GRANT = 4
    COUNTER = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One row; what a column means depends on ``source``.

    Args:
        starts, ends: of the paid period, or of a counter's.
        since: ``Subscription.periods_since``, or when a counter was last used.
        pk: the limit's, or the counter's.
        parent: the plan's key.
        slug: the plan's, or the key of a counter's period.
        used: of a counter; the available units of grants.
        expired: the part of a counter's ``reserved`` whose time is up.
        amount, interval, interval_count, quantity, is_metered, item_id: of the item, by which plans are ranked.
        item_id: of a counter, whose period it counts in.
        quantity: of a counter, how often it was opened again.
        is_uncollected: of a subscription or an item, whether a pause makes void or uncollectible what is invoiced.
    """

    starts: datetime | None
    ends: datetime | None
    since: datetime | None
    amount: Decimal | None
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
    subscription_pk: int
    item_id: str
    interval: str
    interval_count: int
    quantity: int
    is_metered: bool
    is_per_unit: bool
    is_add_on: bool
    is_open: bool
    is_uncollected: bool


COLUMNS = tuple(f"row_{name}" for name in Row.__dataclass_fields__)
NUMBERS = tuple("pk parent limit used reserved extra expired subscription_pk interval_count quantity".split())
# What is paid is paid for the subscription's period; an item that knows none is of an old answer.
OF_ITEM = tuple(Coalesce(f"current_period_{end}", f"subscription__current_period_{end}") for end in ("start", "end"))
FLAGS = ("is_metered", "is_per_unit", "is_add_on", "is_open", "is_uncollected")
# Drafts are collected by the seller.
UNCOLLECTED = ("void", "mark_uncollectible")


def entitlement_rows(owner: Any, now: datetime) -> Iterator[Row]:
    """Yield everything that decides what ``owner`` may use at ``now``."""
    using = usage_database()
    # Subscriptions first: the databases take the types of a union's columns from its first part.
    first = _subscriptions(owner).using(using)
    others = (_items(owner), _default_plan(), _overrides(owner, now), _grants(owner, now), _counters(owner, now))
    # From Django 6.1 on, a union is sorted as its first model is unless it is asked not to be.
    for values in first.union(*(part.using(using) for part in others), all=True).order_by():
        row = dict(zip(Row.__dataclass_fields__, values, strict=True))
        # MariaDB makes decimals of the unsigned numbers in a union.
        row |= {name: int(row[name]) for name in NUMBERS if row[name] is not None}
        row |= {name: bool(row[name]) for name in FLAGS}
        yield Row(**row | {"source": Source(row["source"])})


def _shape(queryset: QuerySet[Any], source: Source, **columns: Any) -> QuerySet[Any, Any]:
    number, text = BigIntegerField(), CharField()
    values: dict[str, Any] = {name: Value(0, output_field=number) for name in NUMBERS}
    values |= {name: Value(False, output_field=BooleanField()) for name in FLAGS}
    values |= {name: Value("", output_field=text) for name in ("slug", "name", "item_id", "interval")}
    values |= {name: Value(None, output_field=DateTimeField()) for name in ("starts", "ends", "since")}
    values |= {
        "amount": Value(None, output_field=MoneyField()),
        "limit": Value(None, output_field=number),
        "source": Value(int(source), output_field=number),
    } | columns
    shaped = queryset.order_by().annotate(**{f"row_{name}": value for name, value in values.items()})
    rows: QuerySet[Any, Any] = shaped.values_list(*COLUMNS)
    return rows


def _subscriptions(owner: Any) -> QuerySet[Any, Any]:
    """Return the plans that subscriptions are, by the rows that say so."""
    return _shape(
        Subscription.objects.valid().for_owner(owner).filter(plan__isnull=False).with_price(),
        Source.SUBSCRIPTION,
        starts=F("current_period_start"),
        ends=F("current_period_end"),
        since=F("periods_since"),
        subscription_pk=F("id"),
        item_id=F("item_id"),
        amount=F("plan_amount"),
        interval=F("plan_interval"),
        interval_count=F("plan_interval_count"),
        quantity=F("plan_quantity"),
        is_metered=F("plan_is_metered"),
        is_uncollected=_is_uncollected("pause_behavior"),
        **_limits_of("plan__"),
    )


def _items(owner: Any) -> QuerySet[Any, Any]:
    """Return what else is in the subscriptions: add-ons, metered prices, further plans."""
    valid = Subscription.objects.valid().for_owner(owner).values("pk")
    items = SubscriptionItem.objects.filter(plan__isnull=False, subscription__in=valid)
    # What a plan charges by use does not give the plan.
    items = items.exclude(is_metered=True, plan__is_add_on=False)
    return _shape(
        # The item that is the plan came with its subscription.
        items.exclude(provider_id=F("subscription__item_id")),
        Source.ITEM,
        starts=OF_ITEM[0],
        ends=OF_ITEM[1],
        since=F("subscription__periods_since"),
        subscription_pk=F("subscription_id"),
        item_id=F("provider_id"),
        amount=F("amount"),
        interval=F("interval"),
        interval_count=F("interval_count"),
        quantity=F("quantity"),
        is_metered=F("is_metered"),
        is_uncollected=_is_uncollected("subscription__pause_behavior"),
        **_limits_of("plan__"),
    )


def uncollected_metrics(owner: Any) -> set[str]:
    """Return what is charged by use in subscriptions whose invoices a pause makes void or uncollectible."""
    paused = Subscription.objects.valid().for_owner(owner).filter(pause_behavior__in=UNCOLLECTED)
    items = SubscriptionItem.objects.using(usage_database()).filter(is_metered=True, pricing__isnull=False)
    return set(items.filter(subscription__in=paused.values("pk")).values_list("pricing__metric", flat=True))


def _is_uncollected(field: str) -> Case:
    return Case(When(**{f"{field}__in": UNCOLLECTED}, then=Value(True)), default=Value(False))


def _limits_of(plan: str) -> dict[str, Any]:
    """Return the columns of a plan and one of its limits; a plan without limits is one row."""
    return {
        "pk": Coalesce(f"{plan}limits__id", Value(0), output_field=BigIntegerField()),
        "parent": F(f"{plan}id"),
        "slug": F(f"{plan}slug"),
        "name": F(f"{plan}name"),
        "is_add_on": F(f"{plan}is_add_on"),
        "metric": F(f"{plan}limits__metric"),
        "limit": F(f"{plan}limits__limit"),
        "period": F(f"{plan}limits__period"),
        "is_per_unit": Coalesce(f"{plan}limits__is_per_unit", Value(False)),
    }


def _default_plan() -> QuerySet[Any, Any]:
    first = Plan.objects.filter(is_default=True, is_active=True).order_by("pk").values("pk")[:1]
    return _shape(
        # Not with IN: MariaDB has no LIMIT in its subquery.
        Plan.objects.filter(pk=Subquery(first)),
        Source.DEFAULT_PLAN,
        quantity=Value(1, output_field=BigIntegerField()),
        **_limits_of(""),
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
    # A subscription says when its period ends, and still does so when it has ended itself; so do its items.
    mine = Subscription.objects.for_owner(owner)
    items = SubscriptionItem.objects.filter(subscription__in=mine.values("pk"), provider_id=OuterRef("item_id"))
    known_end = Case(
        When(item_id="", then=Subquery(_ends_of(mine, F("current_period_start"), F("current_period_end")))),
        default=Subquery(_ends_of(items, *OF_ITEM)),
    )
    return _shape(
        UsageCounter.objects.filter(owner=owner, current_until__gt=now),
        Source.COUNTER,
        starts=F("starts"),
        ends=Case(When(period_key__startswith=PAID, then=Coalesce(known_end, "ends")), default=F("ends")),
        since=F("modified"),
        is_open=Coalesce("is_open", Value(False)),
        quantity=F("reopened"),
        pk=F("id"),
        slug=F("period_key"),
        metric=F("metric"),
        period=F("period"),
        item_id=F("item_id"),
        used=F("used"),
        reserved=F("reserved"),
        extra=F("extra"),
        expired=Coalesce(Subquery(expired), Value(0), output_field=BigIntegerField()),
    )


def _ends_of(rows: QuerySet[Any, Any], starts: Any, ends: Any) -> QuerySet[Any, Any]:
    """Return when a period ended that began when an outer counter's did, the latest if several say so."""
    known: QuerySet[Any, Any] = rows.alias(period_start=starts).annotate(period_end=ends)
    known = known.filter(period_start=OuterRef("starts"), period_end__isnull=False)
    return known.order_by("-period_end").values("period_end")[:1]
