"""Whatever an owner subscribes to, leaves and comes back to, in any order, while time passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import Subscription, UsageCounter
from django_stripe_gateway.services.subscriptions.items import follow_periods
from tests.factories import make_user
from tests.test_services.test_usage.support import make_default_plan, subscribe

LIMIT = 10
MONTH, YEAR = timedelta(days=30), timedelta(days=365)


class History(RuleBasedStateMachine):
    """One owner, one limit for each billing period, which is the same on every plan.

    ``uses`` holds what passed: when, how much, and the end of the period that it fell into as it was then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 20, 9, 30, tzinfo=UTC)
        self.clock = mock.patch.object(timezone, "now", lambda: self.now)  # noqa: PT008 (it goes on)
        self.clock.start()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.mine: Subscription | None = None
        self.uses: list[tuple[datetime, int, datetime]] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
        self.clock.stop()

    @initialize()
    def begin(self) -> None:
        self.user = make_user()
        make_default_plan(("minutes", LIMIT, "billing_period"))

    @precondition(lambda self: self.mine is None)
    @rule(length=st.sampled_from([MONTH, YEAR]))
    def subscribe(self, length: timedelta) -> None:
        # No two periods begin in the same moment: what is used in it is of both.
        self.now += timedelta(seconds=1)
        period = {"current_period_start": self.now, "current_period_end": self.now + length}
        self.mine = subscribe(self.user, ("minutes", LIMIT, "billing_period"), periods_since=self.now, **period)

    @precondition(lambda self: self.mine is not None)
    @rule()
    def cancel_at_once(self) -> None:
        assert self.mine is not None
        self.mine.status = "canceled"
        self.mine.save()
        self.mine = None

    @precondition(lambda self: self.mine is not None)
    @rule(length=st.sampled_from([MONTH, YEAR]))
    def change_interval(self, length: timedelta) -> None:
        self.now += timedelta(seconds=1)
        self.have_period(self.now, self.now + length)

    def have_period(self, starts: datetime, ends: datetime) -> None:
        mine = self.mine
        assert mine is not None
        before = Subscription.objects.get(pk=mine.pk)
        mine.current_period_start, mine.current_period_end = starts, ends
        follow_periods(mine, before)
        mine.save()

    @rule(quantity=st.integers(1, LIMIT))
    def consume(self, quantity: int) -> None:
        found = usage.allowance(self.user, "minutes")
        assert found.remaining is not None
        assert found.window.ends is not None
        try:
            usage.consume(self.user, "minutes", quantity)
        except exceptions.UsageLimitExceeded:
            assert quantity > found.remaining
        else:
            assert quantity <= found.remaining
            self.uses.append((self.now, quantity, found.window.ends))

    @precondition(lambda self: self.uses)
    @rule(quantity=st.integers(1, 3))
    def give_back_and_use_again(self, quantity: int) -> None:
        """Nothing is won by it."""
        before = usage.allowance(self.user, "minutes")
        if quantity > before.used:
            return
        usage.refund(self.user, "minutes", quantity)
        usage.consume(self.user, "minutes", quantity)
        after = usage.allowance(self.user, "minutes")
        assert (after.used, after.remaining) == (before.used, before.remaining)
        # From now on it is of the period of now.
        assert after.window.ends is not None
        for index in sorted(range(len(self.uses)), key=lambda index: -index):
            used_at, known, ends = self.uses[index]
            part = min(quantity, known) if ends > self.now else 0
            quantity -= part
            self.uses[index] = (used_at, known - part, ends)
            self.uses.append((self.now, part, after.window.ends))

    @rule(days=st.sampled_from([1, 9, 25, 31]))
    def wait(self, days: int) -> None:
        end = self.now + timedelta(days=days)
        while self.mine is not None and (paid_until := self.mine.current_period_end) is not None and paid_until <= end:
            self.now = paid_until
            starts = self.mine.current_period_start
            assert starts is not None
            self.have_period(paid_until, paid_until + (paid_until - starts))
            self.check_renewal()
        self.now = end

    def check_renewal(self) -> None:
        """Who renews has paid by itself: all of the limit is there, in its first moment."""
        assert usage.allowance(self.user, "minutes").remaining == LIMIT

    @invariant()
    def nothing_is_used_twice(self) -> None:
        if not hasattr(self, "user"):
            return
        found = usage.allowance(self.user, "minutes")
        assert found.used <= LIMIT
        assert UsageCounter.objects.filter(is_open=True).count() <= 1
        # All that was used in this period counts in it as long as its own period runs, whatever was subscribed to then.
        own = [quantity for used_at, quantity, ends in self.uses if used_at >= found.window.starts and ends > self.now]
        assert found.used >= sum(own)
        # And in the first period of what was bought now, all that runs.
        since = self.mine.periods_since if self.mine is not None else None
        if since == found.window.starts:
            assert found.used >= sum(quantity for _used_at, quantity, ends in self.uses if ends > self.now)


@pytest.mark.django_db
def test_history() -> None:
    examples = settings(max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run(History, settings=examples)
