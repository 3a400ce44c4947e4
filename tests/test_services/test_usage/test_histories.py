"""Whatever an owner subscribes to, leaves and comes back to, in any order, while time passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import Subscription, UsageCounter
from django_stripe_gateway.services.subscriptions.cycles import Cycle
from django_stripe_gateway.services.subscriptions.items import SyncedItems, follow_periods
from django_stripe_gateway.services.usage.allowances import Allowance
from django_stripe_gateway.services.usage.periods import paid_key
from tests.factories import make_user
from tests.test_services.test_usage.support import make_default_plan, subscribe

LIMIT = 10
MONTH, YEAR = timedelta(days=30), timedelta(days=365)


class History(RuleBasedStateMachine):
    """One owner, one limit for each billing period, which is the same on every plan.

    ``paid`` is the provider's period of now, which ours may not have heard of, and ``is_renewed`` says whether it is a
    renewal; the next is as long as ``length``. ``uses`` holds what passed: when, how much, and in which period, whose
    end ``ends`` knows as the provider or the calendar has it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 20, 9, 30, tzinfo=UTC)
        self.clock = mock.patch.object(timezone, "now", lambda: self.now)  # noqa: PT008 (it goes on)
        self.clock.start()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.mine: Subscription | None = None
        self.paid = (self.now, self.now)
        self.length = MONTH
        self.is_renewed = False
        self.uses: list[tuple[datetime, int, str]] = []
        self.ends: dict[str, datetime] = {}

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
        self.length, self.is_renewed = length, False
        self.be_paid(self.now, self.now + length)

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
        self.be_paid(self.now, self.now + length)
        self.is_renewed = False
        # What was paid for until now, by which renewals that nobody heard of are told from the change.
        self.hear()
        self.length = length

    @precondition(lambda self: self.mine is not None)
    @rule(days=st.sampled_from([9, 40]))
    def prolong(self, days: int) -> None:
        starts, ends = self.paid
        self.be_paid(starts, ends + timedelta(days=days))
        self.hear()

    @precondition(lambda self: self.mine is not None)
    @rule(quantity=st.integers(1, LIMIT))
    def leave_after_the_old_end_and_come_back(self, quantity: int) -> None:
        self.consume(quantity)
        old_end = self.paid[1]
        self.prolong(40)
        self.now = max(self.now, old_end + timedelta(days=1))
        self.cancel_at_once()
        self.nothing_is_used_twice()
        self.subscribe(MONTH)

    @precondition(lambda self: self.mine is not None)
    @rule(quantity=st.integers(1, LIMIT), length=st.sampled_from([MONTH, YEAR]))
    def change_before_the_renewal_is_heard_of(self, quantity: int, length: timedelta) -> None:
        self.hear()
        self.wait((self.paid[1] - self.now).days + 1, is_heard=False)
        self.consume(quantity)
        self.change_interval(length)

    def be_paid(self, starts: datetime, ends: datetime) -> None:
        self.paid = (starts, ends)
        self.ends[paid_key(starts)] = ends

    @precondition(lambda self: self.mine is not None)
    @rule()
    def hear(self) -> None:
        """Let ours know of the provider's period."""
        mine = self.mine
        assert mine is not None
        before = Subscription.objects.get(pk=mine.pk)
        mine.current_period_start, mine.current_period_end = self.paid
        follow_periods(
            mine, before, SyncedItems([], None, [], [], [], [], {mine.item_id: Cycle("day", self.length.days)})
        )
        mine.save()

    @rule(quantity=st.integers(1, LIMIT), is_reserved=st.booleans())
    def consume(self, quantity: int, is_reserved: bool = False) -> None:
        found = usage.allowance(self.user, "minutes")
        assert found.remaining is not None
        try:
            if is_reserved:
                usage.commit(usage.reserve(self.user, "minutes", quantity))
            else:
                usage.consume(self.user, "minutes", quantity)
        except exceptions.UsageLimitExceeded:
            assert quantity > found.remaining
        else:
            assert quantity <= found.remaining
            self.uses.append((self.now, quantity, self.key_of(found)))

    def key_of(self, found: Allowance) -> str:
        """Return the key of the period of now, whose end is known from now on."""
        if self.mine is not None:
            return paid_key(self.paid[0])
        assert found.window.ends is not None
        self.ends[found.window.key] = found.window.ends
        return found.window.key

    @precondition(lambda self: self.uses)
    @rule(quantity=st.integers(1, 3))
    def give_back_and_use_again(self, quantity: int) -> None:
        """Nothing is won by it."""
        before = usage.allowance(self.user, "minutes")
        if quantity > before.used or before.used > LIMIT:
            return
        usage.refund(self.user, "minutes", quantity)
        usage.consume(self.user, "minutes", quantity)
        after = usage.allowance(self.user, "minutes")
        assert (after.used, after.remaining) == (before.used, before.remaining)
        # From now on it is of the period of now, of which is given back first.
        mine = self.key_of(after)
        for index in sorted(range(len(self.uses)), key=lambda index: (self.uses[index][2] != mine, -index)):
            used_at, known, key = self.uses[index]
            part = min(quantity, known) if self.ends[key] > self.now else 0
            quantity -= part
            self.uses[index] = (used_at, known - part, key)
            self.uses.append((self.now, part, mine))

    @rule(days=st.sampled_from([1, 9, 25, 31]), is_heard=st.booleans())
    def wait(self, days: int, is_heard: bool) -> None:
        """Let time pass, and what is paid be renewed.

        Args:
            is_heard: ours knows of each renewal at once; it knows at the latest when another would have to follow.
        """
        end = self.now + timedelta(days=days)
        while self.mine is not None and self.paid[1] <= end:
            is_late = self.paid[1] != self.mine.current_period_end
            self.now = self.paid[1]
            self.be_paid(self.now, self.now + self.length)
            self.is_renewed = True
            if is_heard or is_late:
                self.hear()
                if not is_late:
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
        assert UsageCounter.objects.filter(is_open=True).count() <= 1
        # All that was used in this period counts in it as long as its own period runs, whatever was subscribed to then.
        starts = found.window.starts if self.mine is None else self.paid[0]
        runs = [(used_at, quantity) for used_at, quantity, key in self.uses if self.ends[key] > self.now]
        assert found.used >= sum(quantity for used_at, quantity in runs if used_at >= starts)
        # Of several periods that run, each renewed one had a limit of its own; together they may be more than one.
        assert found.used <= max(LIMIT, sum(quantity for _used_at, quantity in runs))
        # And in the first period of what was bought now, all that runs.
        if self.mine is not None and not self.is_renewed:
            assert found.used >= sum(quantity for _used_at, quantity in runs)


@pytest.mark.django_db
def test_history() -> None:
    examples = settings(
        max_examples=5,
        stateful_step_count=10,
        deadline=None,
        # To make a history shorter takes minutes; what it did is printed.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run(History, settings=examples)
