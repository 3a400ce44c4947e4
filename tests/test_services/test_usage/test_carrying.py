"""What was used stays used: nobody starts anew by leaving and coming back, or by switching; a renewal does."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import Subscription, UsageCounter, UsageGrant, UsageRecord
from tests.conftest import SignalRecorder
from tests.test_services.test_usage.support import at, make_default_plan, statements, subscribe

pytestmark = pytest.mark.django_db

LIMIT = ("minutes", 10, "billing_period")


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}T12:00:00").replace(tzinfo=UTC)


def period(first: str, end: str) -> dict[str, datetime]:
    return {"current_period_start": day(first), "current_period_end": day(end)}


def begin(owner: Any, first: str, end: str, limit: int | None = 10, **fields: Any) -> Subscription:
    """Return a subscription whose first period that is."""
    values = period(first, end) | {"periods_since": day(first)} | fields
    return subscribe(owner, ("minutes", limit, "billing_period"), **values)


def stop(subscription: Subscription) -> None:
    subscription.status = "canceled"
    subscription.save()


def move(subscription: Subscription, first: str, end: str, **fields: Any) -> None:
    """Let a subscription have another period."""
    for name, value in (period(first, end) | fields).items():
        setattr(subscription, name, value)
    subscription.save()


def state(owner: Any) -> tuple[int, int | None]:
    found = usage.allowance(owner, "minutes")
    return found.used, found.remaining


def use_up(owner: Any) -> int:
    """Use one by one what is left; return how much that was."""
    for used in range(100):
        try:
            usage.consume(owner, "minutes")
        except exceptions.UsageLimitExceeded:
            return used
    raise AssertionError("endless")


def test_leaving_and_coming_back(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        assert use_up(user) == 10
    for number in range(10, 14):
        with at(day(f"11-{number}")):
            mine = begin(user, f"11-{number}", f"12-{number}")
            assert state(user) == (10, 0)
            assert use_up(user) == 0
            stop(mine)
            assert use_up(user) == 0
    assert sum(UsageRecord.objects.values_list("quantity", flat=True)) == 10


def test_used_in_each_of_them(user: Any) -> None:
    """A bit on the default plan, a bit in each subscription, and back: all of it counts everywhere."""
    make_default_plan(LIMIT)
    with at(day("11-05")):
        usage.consume(user, "minutes", 3)
    with at(day("11-06")):
        first = begin(user, "11-06", "12-06")
        usage.consume(user, "minutes", 3)
        stop(first)
        assert state(user) == (6, 4)
        usage.consume(user, "minutes", 2)
    with at(day("11-07")):
        begin(user, "11-07", "12-07")
        assert state(user) == (8, 2)
        assert use_up(user) == 2
        assert UsageCounter.objects.filter(is_open=True).count() == 1


def test_until_the_older_period_is_over(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        usage.consume(user, "minutes", 8)
    begin(user, "11-15", "12-15")
    with at(day("11-30")):
        usage.consume(user, "minutes", 1)
        found = usage.allowance(user, "minutes")
        assert (found.used, found.remaining) == (9, 1)
        # It starts from zero with the period; more is left already when the month is over.
        assert found.resets_at == day("12-15")
        with pytest.raises(exceptions.UsageLimitExceeded) as caught:
            usage.consume(user, "minutes", 2)
        assert caught.value.retry_after == 12 * 3600
    with at("2026-12-01T00:00:00+00:00"):
        assert state(user) == (1, 9)
        assert use_up(user) == 9
    with at(day("12-15")):
        assert state(user) == (0, 10)


def test_upgrade__the_higher_limit_less_what_was_used(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        use_up(user)
        mine = begin(user, "11-05", "12-05", limit=100)
        assert state(user) == (10, 90)
        usage.consume(user, "minutes", 60)
    with at(day("11-20")):
        stop(mine)
        assert state(user) == (70, 0)
        begin(user, "11-20", "12-20", limit=None)
        assert state(user) == (70, None)
        usage.consume(user, "minutes", 500)
        assert usage.allowance(user, "minutes").used == 570


def test_renewal__starts_from_zero(user: Any) -> None:
    mine = begin(user, "09-10", "10-10")
    months = ["09-10", "10-10", "11-10", "12-10"]
    for first, end in itertools.pairwise(months):
        move(mine, first, end)
        # The first moment of it, and the last.
        with at(day(first)):
            usage.consume(user, "minutes", 4)
        with at(day(end) - timedelta(seconds=1)):
            assert use_up(user) == 6
    assert UsageCounter.objects.count() == 3


def test_month_to_year_and_back(user: Any) -> None:
    mine = begin(user, "03-10", "04-10")
    with at(day("03-20")):
        assert use_up(user) == 10
        year = {"current_period_end": day("03-20").replace(year=2027)}
        move(mine, "03-20", "03-20", periods_since=day("03-20"), **year)
        assert use_up(user) == 0
    with at(day("04-11")):
        assert use_up(user) == 10
        move(mine, "04-11", "05-11", periods_since=day("04-11"))
        assert use_up(user) == 0
    # What is paid for each month is had each month: the year that was left does not stand against it for a year.
    with at(day("05-11")):
        move(mine, "05-11", "06-11")
        assert use_up(user) == 10
    # It does against whoever buys another year within it.
    with at(day("06-12")):
        stop(mine)
        begin(user, "06-12", "12-12")
        assert use_up(user) == 0


def test_trial__paid_at_its_end_and_before(user: Any, other_user: Any) -> None:
    loyal, hasty = begin(user, "11-01", "11-08"), begin(other_user, "11-01", "11-08")
    with at(day("11-03")):
        assert use_up(user) == use_up(other_user) == 10
        move(hasty, "11-03", "12-03", periods_since=day("11-03"))
        assert use_up(other_user) == 0
    with at(day("11-08")):
        move(loyal, "11-08", "12-08")
        assert use_up(user) == use_up(other_user) == 10


def test_billing_anchor(user: Any) -> None:
    mine = begin(user, "11-01", "12-01")
    used = 0
    for number in range(2, 20):
        with at(day(f"11-{number:02}")):
            move(mine, f"11-{number:02}", f"12-{number:02}", periods_since=day(f"11-{number:02}"))
            used += use_up(user)
    assert used == 10


def test_period_that_is_prolonged(user: Any) -> None:
    """A trial is extended by a month, and nothing is used in between."""
    mine = begin(user, "11-01", "11-08")
    with at(day("11-02")):
        usage.consume(user, "minutes", 4)
    move(mine, "11-01", "12-08")
    with at(day("12-01")):
        assert state(user) == (4, 6)
        usage.consume(user, "minutes", 5)
        stop(mine)
        make_default_plan(LIMIT)
        # Its counter has learned of its end.
        assert state(user) == (9, 1)


def test_default_plan__after_a_year_that_was_used_up(user: Any) -> None:
    make_default_plan(LIMIT)
    mine = begin(user, "01-10", "12-31", limit=1000)
    with at(day("03-10")):
        usage.consume(user, "minutes", 1000)
        stop(mine)
        assert state(user) == (1000, 0)
    # This month and the next; then it is like everybody else's.
    for text, expected in (("03-31", 0), ("04-01", 0), ("04-30", 0), ("05-01", 10), ("06-01", 10)):
        with at(day(text)):
            assert use_up(user) == expected
    with at(day("06-02")):
        begin(user, "06-02", "07-02", limit=1000)
        assert use_up(user) == 0


def test_default_plan__after_a_month_that_was_cut_short(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-15")):
        mine = begin(user, "11-15", "12-15")
        use_up(user)
        stop(mine)
    with at(day("12-14")):
        assert use_up(user) == 0
    with at(day("12-15")):
        assert use_up(user) == 10


def test_default_plan__after_a_period_that_was_over(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-15")):
        mine = begin(user, "11-01", "12-01")
        use_up(user)
    with at(day("12-01")):
        stop(mine)
        assert use_up(user) == 10


def test_month_and_billing_period_are_one_kind(user: Any) -> None:
    make_default_plan(("minutes", 10, "month"))
    with at(day("11-05")):
        use_up(user)
        mine = begin(user, "11-05", "12-05")
        assert use_up(user) == 0
        stop(mine)
        subscribe(user, ("minutes", 10, "day"), **period("11-05", "12-05"))
        # A day is another thing.
        assert use_up(user) == 10


def test_two_at_once__one_of_them_ends(user: Any) -> None:
    dear = begin(user, "11-01", "12-01", limit=20)
    begin(user, "11-10", "12-10", limit=10)
    with at(day("11-12")):
        usage.consume(user, "minutes", 9)
        stop(dear)
        assert use_up(user) == 1


def test_reservations_go_along(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        small, large = usage.reserve(user, "minutes", 2), usage.reserve(user, "minutes", 4)
        begin(user, "11-05", "12-05")
        assert state(user) == (0, 4)
        usage.commit(large, 6)
        assert state(user) == (6, 2)
        usage.consume(user, "minutes", 1)
        usage.release(small)
        assert state(user) == (7, 3)
        usage.reserve(user, "minutes", 3)
        with pytest.raises(exceptions.UsageLimitExceeded):
            usage.consume(user, "minutes")


def test_reservations_that_have_expired(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        usage.reserve(user, "minutes", 6, expires_in=timedelta(hours=1))
    with at(day("11-06")):
        begin(user, "11-06", "12-06")
        assert state(user) == (0, 10)
        assert use_up(user) == 10


def test_refund__of_what_was_used_before(user: Any) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        usage.consume(user, "minutes", 6)
        begin(user, "11-05", "12-05")
        usage.consume(user, "minutes", 2)
        usage.refund(user, "minutes", 5)
        assert state(user) == (3, 7)
        with pytest.raises(exceptions.RefundExceedsUse):
            usage.refund(user, "minutes", 4)
        assert usage.refund(user, "minutes", 3, idempotency_key="r").quantity == -3
        assert usage.refund(user, "minutes", 3, idempotency_key="r").quantity == -3
        assert use_up(user) == 10


def test_grants_come_on_top(user: Any) -> None:
    make_default_plan(LIMIT)
    grant = UsageGrant.objects.create(owner=user, metric="minutes", quantity=5)
    with at(day("11-05")):
        usage.consume(user, "minutes", 13)
        begin(user, "11-05", "12-05", limit=12)
        # Thirteen of fifteen are of the first ten and three granted ones.
        assert state(user) == (13, 4)
        assert use_up(user) == 4
        grant.refresh_from_db()
        assert grant.drawn == 5


def test_fewer_than_were_used__with_grants(user: Any) -> None:
    mine = begin(user, "11-01", "12-01", limit=30)
    make_default_plan(LIMIT)
    with at(day("11-05")):
        usage.consume(user, "minutes", 25)
        stop(mine)
        UsageGrant.objects.create(owner=user, metric="minutes", quantity=16)
        assert state(user) == (25, 1)
        assert use_up(user) == 1


@pytest.mark.django_db(transaction=True)
def test_thresholds__of_all_that_counts(user: Any, recorded_signals: SignalRecorder) -> None:
    make_default_plan(LIMIT)
    with at(day("11-05")):
        usage.consume(user, "minutes", 6)
        begin(user, "11-05", "12-05")
        usage.consume(user, "minutes", 1)
        usage.consume(user, "minutes", 1)
        usage.consume(user, "minutes", 1)
        usage.consume(user, "minutes", 1)
    sent = recorded_signals.values("usage_threshold_reached")
    assert [(values["threshold"], values["used"]) for values in sent] == [(80, 8), (100, 10)]


def test_cost(user: Any) -> None:
    """The first use of another period takes over; after that it is as cheap as ever."""
    make_default_plan(("minutes", 100, "billing_period"))
    with at(day("11-05")):
        for _again in range(2):
            with statements() as made:
                usage.consume(user, "minutes")
            assert len(made) == 3, made
        begin(user, "11-05", "12-05", limit=100)
        usage.consume(user, "minutes")
        for quantity in (1, 2, 3):
            with statements() as made:
                usage.consume(user, "minutes", quantity)
            assert len(made) == 3, made
            with statements() as made:
                assert usage.limits(user).allowances["minutes"].used > 3
            assert len(made) == 1, made
