"""A period whose end moves is still the one period, whoever has used something since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.models import Subscription, UsageCounter
from django_stripe_gateway.services.subscriptions.items import follow_periods
from tests.test_services.test_usage.support import at, make_default_plan, subscribe
from tests.test_services.test_usage.test_carrying import LIMIT, begin, day, move, state, stop, use_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _default_plan() -> None:
    make_default_plan(LIMIT)


def used_on(owner: Any, moment: datetime, quantity: int, *, is_reserved: bool = False) -> None:
    with at(moment):
        if is_reserved:
            usage.commit(usage.reserve(owner, "minutes", quantity))
        else:
            usage.consume(owner, "minutes", quantity)


def hear(subscription: Subscription, first: str, end: str) -> None:
    """Let a subscription hear of its period, as it does from the provider."""
    before = Subscription.objects.get(pk=subscription.pk)
    subscription.current_period_start, subscription.current_period_end = day(first), day(end)
    follow_periods(subscription, before)
    subscription.save()


@pytest.mark.parametrize("used_since", [0, 6])
@pytest.mark.parametrize("is_reserved", [False, True])
def test_left_after_the_old_end(user: Any, used_since: int, is_reserved: bool) -> None:
    mine = begin(user, "11-01", "11-08")
    used_on(user, day("11-02"), 10 - used_since)
    move(mine, "11-01", "12-08")
    if used_since:
        used_on(user, day("11-20"), used_since, is_reserved=is_reserved)
    with at(day("11-21")):
        stop(mine)
        assert state(user) == (10, 0)
        mine = begin(user, "11-21", "12-21")
        assert use_up(user) == 0
        stop(mine)
        assert use_up(user) == 0
    with at(day("12-08")):
        assert use_up(user) == 10


def test_cut_short_after_the_old_end(user: Any) -> None:
    """The subscription does not know any more when the period would have ended; its counter does."""
    mine = begin(user, "11-01", "11-08")
    used_on(user, day("11-02"), 10)
    hear(mine, "11-01", "12-08")
    with at(day("11-20")):
        hear(mine, "11-20", "12-20")
        assert use_up(user) == 0
    with at(day("12-08")):
        assert use_up(user) == 10


def test_of_a_counter_that_is_closed(user: Any) -> None:
    """Use has gone to another subscription when the period of this one is prolonged."""
    mine = begin(user, "11-01", "11-08")
    used_on(user, day("11-02"), 10)
    other = begin(user, "11-05", "12-05", limit=20)
    used_on(user, day("11-06"), 1)
    hear(mine, "11-01", "12-28")
    with at(day("11-20")):
        stop(mine)
        stop(other)
        assert state(user) == (11, 0)


def test_estimate_that_was_too_short(user: Any) -> None:
    """February's length was taken for March's, until the renewal was heard of."""
    mine = begin(user, "01-31", "02-28")
    used_on(user, day("03-01"), 10)
    hear(mine, "02-28", "03-31")
    assert UsageCounter.objects.get().ends == day("03-31")


def test_end_that_comes_nearer(user: Any) -> None:
    mine = begin(user, "11-01", "12-30")
    used_on(user, day("11-02"), 10)
    hear(mine, "11-01", "11-08")
    with at(day("11-08")):
        stop(mine)
        assert use_up(user) == 10


def test_calendar_month_that_begins_with_a_paid_period(user: Any) -> None:
    """It is no paid period, and ends with the month."""
    starts = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
    used_on(user, starts, 10)
    mine = subscribe(user, LIMIT, current_period_start=starts, current_period_end=day("12-30"), periods_since=starts)
    stop(mine)
    with at("2026-12-01T00:00:00+00:00"):
        assert use_up(user) == 10
