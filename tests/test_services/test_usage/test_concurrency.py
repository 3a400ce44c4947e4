"""Many at once: what passes is what the limit allows, to the unit. Run on every database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier, BoundedSemaphore
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import PlanLimit, UsageCounter, UsageGrant, UsageRecord, UsageReservation
from tests.conftest import SignalRecorder
from tests.test_services.test_usage.support import counter_of, make_default_plan, subscribe

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 100
# Other tests want connections, too: a server has a hundred of them. SQLite has one writer; more only wait in its sleep.
CONNECTIONS = 3 if connection.vendor == "sqlite" else 20


def at_once(call: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Call from many threads that begin together; return what each returned or raised."""
    door = BoundedSemaphore(CONNECTIONS)
    start = Barrier(threads)

    def run(number: int) -> Any:
        start.wait(30)
        with door:
            try:
                return call(number)
            except exceptions.GatewayError as error:
                return error
            finally:
                connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def kinds(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


@pytest.fixture
def _ten(db: None) -> None:
    make_default_plan(("minutes", 10, "day"))


@pytest.mark.usefixtures("_ten")
def test_consume__exactly_ten_of_a_hundred(user: Any, recorded_signals: SignalRecorder) -> None:
    results = at_once(lambda number: usage.consume(user, "minutes"))
    assert kinds(results) == {"UsageRecord": 10, "UsageLimitExceeded": 90}
    assert (counter_of(user).used, UsageRecord.objects.count(), UsageCounter.objects.count()) == (10, 10, 1)
    sent = [values["threshold"] for values in recorded_signals.values("usage_threshold_reached")]
    assert sorted(sent) == [80, 100]


@pytest.mark.usefixtures("_ten")
def test_consume__beside_reservations_and_without_thresholds(user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_THRESHOLDS = ()
    usage.reserve(user, "minutes", 3)
    results = at_once(lambda number: usage.consume(user, "minutes"), threads=40)
    assert kinds(results) == {"UsageRecord": 7, "UsageLimitExceeded": 33}
    assert (counter_of(user).used, counter_of(user).reserved) == (7, 3)


@pytest.mark.usefixtures("_ten")
def test_consume__of_different_sizes(user: Any) -> None:
    results = at_once(lambda number: usage.consume(user, "minutes", number % 4 + 1), threads=30)
    used = sum(result.quantity for result in results if isinstance(result, UsageRecord))
    assert kinds(results).keys() == {"UsageRecord", "UsageLimitExceeded"}
    # Somebody asked for one unit while there was one.
    assert used == counter_of(user).used == 10


@pytest.mark.usefixtures("_ten")
def test_consume__one_key(user: Any) -> None:
    results = at_once(lambda number: usage.consume(user, "minutes", 4, idempotency_key="job"), threads=30)
    assert kinds(results) == {"UsageRecord": 30}
    assert (counter_of(user).used, UsageRecord.objects.count()) == (4, 1)


@pytest.mark.usefixtures("_ten")
def test_consume__a_key_each(user: Any) -> None:
    results = at_once(lambda number: usage.consume(user, "minutes", idempotency_key=f"job-{number % 15}"), threads=30)
    lines = UsageRecord.objects.count()
    assert lines == counter_of(user).used == 10
    assert kinds(results)["UsageRecord"] >= 10
    assert kinds(results).keys() == {"UsageRecord", "UsageLimitExceeded"}


@pytest.mark.usefixtures("_ten")
def test_consume__with_grants(user: Any) -> None:
    for quantity in (3, 4):
        UsageGrant.objects.create(owner=user, metric="minutes", quantity=quantity)
    results = at_once(lambda number: usage.consume(user, "minutes"), threads=30)
    assert kinds(results) == {"UsageRecord": 17, "UsageLimitExceeded": 13}
    assert (counter_of(user).used, counter_of(user).extra) == (17, 7)


@pytest.mark.usefixtures("_ten")
def test_reserve_commit_release__add_up(user: Any) -> None:
    def work(number: int) -> Any:
        reservation = usage.reserve(user, "minutes", 2)
        if number % 3 == 0:
            return usage.release(reservation)
        return usage.commit(reservation, number % 3)

    results = at_once(work, threads=30)
    assert kinds(results).keys() <= {"UsageReservation", "UsageLimitExceeded"}
    used = sum(result.used for result in results if isinstance(result, UsageReservation))
    counter = counter_of(user)
    assert (counter.used, counter.reserved) == (used, 0)
    assert 0 < used <= 10


@pytest.mark.usefixtures("_ten")
def test_expired_reservation__is_let_go_once(user: Any) -> None:
    usage.reserve(user, "minutes", 10, expires_in=timedelta(0))
    results = at_once(lambda number: usage.consume(user, "minutes"), threads=30)
    assert kinds(results) == {"UsageRecord": 10, "UsageLimitExceeded": 20}
    assert (counter_of(user).used, counter_of(user).reserved) == (10, 0)


@pytest.mark.usefixtures("_ten")
def test_refund__never_below_zero(user: Any) -> None:
    usage.consume(user, "minutes", 7)
    results = at_once(lambda number: usage.refund(user, "minutes", 2), threads=30)
    assert kinds(results) == {"UsageRecord": 3, "RefundExceedsUse": 27}
    assert counter_of(user).used == 1


def test_plan_change__in_the_middle(user: Any) -> None:
    """A hundred try while the plan goes from 4 to 10; after that, ten have passed, and no eleventh."""
    make_default_plan(("minutes", 4, "day"))
    upgraded = subscribe(user, ("minutes", 10, "day"), status="incomplete")

    def work(number: int) -> Any:
        if number == THREADS // 2:
            type(upgraded).objects.filter(pk=upgraded.pk).update(status="active")
        return usage.consume(user, "minutes")

    passed = kinds(at_once(work))["UsageRecord"]
    assert 4 <= passed <= 10
    passed += kinds([attempt(user) for _number in range(THREADS)])["UsageRecord"]
    assert passed == counter_of(user).used == 10


def test_downgrade__in_the_middle(user: Any) -> None:
    plan = make_default_plan(("minutes", 10, "day"))

    def work(number: int) -> Any:
        if number == 8:
            PlanLimit.objects.filter(plan=plan).update(limit=6)
        return usage.consume(user, "minutes")

    passed = kinds(at_once(work, threads=30))["UsageRecord"]
    assert 6 <= passed <= 10
    assert isinstance(attempt(user), exceptions.UsageLimitExceeded)
    assert usage.allowance(user, "minutes").remaining == 0


@pytest.mark.usefixtures("_ten")
def test_roll_over__in_the_middle(user: Any) -> None:
    """Half of them are before midnight and half after: each day has its ten, exactly."""
    before = datetime.fromisoformat("2026-11-23T23:59:59.999+00:00")
    after = before + timedelta(seconds=1)
    clock = {"now": before}
    with mock.patch.object(timezone, "now", lambda: clock["now"]):  # noqa: PT008 (it goes on)

        def work(number: int) -> Any:
            if number == THREADS // 2:
                clock["now"] = after
            return usage.consume(user, "minutes")

        passed = kinds(at_once(work))["UsageRecord"]
        assert 10 <= passed <= 20
        passed += kinds([attempt(user) for _number in range(10)])["UsageRecord"]
    days = dict(UsageCounter.objects.values_list("period_key", "used"))
    assert days["day:2026-11-24"] == 10
    assert sum(days.values()) == passed == UsageRecord.objects.count()
    assert days.get("day:2026-11-23", 0) <= 10


def attempt(user: Any) -> Any:
    try:
        return usage.consume(user, "minutes")
    except exceptions.UsageLimitExceeded as error:
        return error
