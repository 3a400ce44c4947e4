"""Plans with limits, owners with plans, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_stripe_gateway.models import Plan, PlanLimit, Subscription, UsageCounter
from tests.billing_factories import make_customer, make_plan, make_pricing, make_subscription

Limit = tuple[str, int | None, str]


def make_limited_plan(*limits: Limit, **fields: Any) -> Plan:
    """Return a plan with limits, each a metric, a limit and a period."""
    plan = make_plan(**fields)
    for metric, limit, period in limits:
        PlanLimit.objects.create(plan=plan, metric=metric, limit=limit, period=period)
    return plan


def make_default_plan(*limits: Limit, **fields: Any) -> Plan:
    """Return the plan of everybody."""
    return make_limited_plan(*limits, is_default=True, **fields)


def subscribe(owner: Any, *limits: Limit, **fields: Any) -> Subscription:
    """Return a subscription of the owner to a plan with these limits."""
    from django_stripe_gateway.models import Customer

    customer = Customer.objects.filter(owner=owner).first() or make_customer(owner)
    return make_subscription(customer, pricing=make_pricing(make_limited_plan(*limits)), **fields)


@contextmanager
def at(moment: str | datetime) -> Iterator[datetime]:
    """Let it be ``moment`` for as long as the block takes."""
    now = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    with mock.patch.object(timezone, "now", return_value=now):
        yield now


def counter_of(owner: Any, metric: str = "minutes") -> UsageCounter:
    """Return the owner's newest counter of a metric."""
    return UsageCounter.objects.filter(owner=owner, metric=metric).latest("pk")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that a block makes, without the beginning and the end of its transaction."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as queries:
        yield found
    found += [query["sql"] for query in queries if not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT"))]
