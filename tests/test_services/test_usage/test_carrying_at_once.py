"""Many use while plans are left and come back to: in no order does more pass than the limit. Run on every database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import Subscription, UsageCounter, UsageRecord
from django_stripe_gateway.services.usage import counters, entitlements
from django_stripe_gateway.services.usage.transactions import Collision
from tests.test_services.test_usage.support import make_default_plan, subscribe
from tests.test_services.test_usage.test_concurrency import at_once, attempt, kinds

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = ("minutes", 10, "billing_period")


def switching(owner: Any, **fields: Any) -> Subscription:
    """Return a subscription whose period does not begin with the month."""
    starts = timezone.now() - timedelta(hours=1)
    return subscribe(owner, LIMIT, current_period_start=starts, status="incomplete", **fields)


def check_sums(owner: Any) -> None:
    """Compare counters and ledger; exactly one counter is open."""
    for counter in UsageCounter.objects.filter(owner=owner):
        lines = UsageRecord.objects.filter(period_key=counter.period_key).values_list("quantity", flat=True)
        assert counter.used == sum(lines)
    assert UsageCounter.objects.filter(owner=owner, is_open=True).count() == 1


def set_status(subscription: Subscription, status: str) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(status=status)


@pytest.mark.parametrize("used_before", [0, 3])
def test_subscribing__in_the_middle(user: Any, used_before: int) -> None:
    make_default_plan(LIMIT)
    mine = switching(user)
    if used_before:
        usage.consume(user, "minutes", used_before)

    def work(number: int) -> Any:
        if number == 4:
            set_status(mine, "active")
        return usage.consume(user, "minutes")

    results = at_once(work, threads=40)
    passed = used_before + kinds(results)["UsageRecord"]
    assert passed <= 10
    while isinstance(attempt(user), UsageRecord):
        passed += 1
    assert passed == usage.allowance(user, "minutes").used == 10
    check_sums(user)


def test_leaving_and_coming_back__again_and_again(user: Any) -> None:
    make_default_plan(LIMIT)
    first, second = switching(user), switching(user)
    starts = timezone.now() - timedelta(minutes=30)
    Subscription.objects.filter(pk=second.pk).update(current_period_start=starts)

    def work(number: int) -> Any:
        if number % 3 == 0:
            set_status(first, "active" if number % 2 else "canceled")
        if number % 5 == 0:
            set_status(second, "canceled" if number % 2 else "active")
        if number % 4 == 0:
            usage.release(usage.reserve(user, "minutes"))
        return usage.consume(user, "minutes", idempotency_key=f"key-{number}" if number % 7 == 0 else None)

    results = at_once(work, threads=60)
    assert kinds(results).keys() <= {"UsageRecord", "UsageLimitExceeded", "OperationInProgress"}
    passed = UsageRecord.objects.count()
    assert passed <= 10
    while isinstance(attempt(user), UsageRecord):
        passed += 1
    assert passed == usage.allowance(user, "minutes").used == 10
    assert usage.allowance(user, "minutes").reserved == 0
    check_sums(user)


def test_first_use_of_a_renewal(user: Any) -> None:
    mine = switching(user)
    set_status(mine, "active")
    usage.consume(user, "minutes", 10)
    ends = timezone.now() - timedelta(seconds=1)
    UsageCounter.objects.update(ends=ends)
    Subscription.objects.update(current_period_start=ends, current_period_end=ends + timedelta(days=30))
    results = at_once(lambda number: usage.consume(user, "minutes"), threads=40)
    assert kinds(results) == {"UsageRecord": 10, "UsageLimitExceeded": 30}
    check_sums(user)


def test_refunds_of_what_is_carried(user: Any) -> None:
    make_default_plan(LIMIT)
    usage.consume(user, "minutes", 6)
    set_status(switching(user), "active")
    usage.consume(user, "minutes", 1)
    results = at_once(lambda number: usage.refund(user, "minutes", 2), threads=20)
    assert kinds(results) == {"UsageRecord": 3, "RefundExceedsUse": 17}
    assert usage.allowance(user, "minutes").used == 1


def test_caller_that_knows_only_the_plan_that_was_left(user: Any) -> None:
    """What it read before somebody switched is not what it counts by."""
    make_default_plan(LIMIT)
    usage.consume(user, "minutes", 9)
    stale = entitlements.read_allowance(user, "minutes")[1]
    set_status(switching(user), "active")
    usage.consume(user, "minutes")
    for quantity in (1, 100):
        with pytest.raises(Collision), transaction.atomic():
            counters.take(user, stale, quantity, was_nested=False)
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes")
    check_sums(user)


def test_caller_that_has_slept_while_somebody_left_and_came_back(user: Any) -> None:
    """The counter that it knows is open again, and the other one, which it knows as closed, has grown."""
    make_default_plan(LIMIT)
    usage.consume(user, "minutes", 2)
    mine = switching(user)
    set_status(mine, "active")
    usage.consume(user, "minutes", 2)
    stale = entitlements.read_allowance(user, "minutes")[1]
    set_status(mine, "canceled")
    usage.consume(user, "minutes", 5)
    switched = entitlements.read_allowance(user, "minutes")[1]
    set_status(mine, "active")
    usage.consume(user, "minutes")
    for known, quantity in ((stale, 6), (stale, 1), (switched, 3)):
        with pytest.raises(Collision), transaction.atomic():
            counters.take(user, known, quantity, was_nested=False)
    assert usage.allowance(user, "minutes").used == 10
    check_sums(user)
