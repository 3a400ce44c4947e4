"""Whatever is done in whatever order: the sums agree, and nothing passes that is not allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import PlanLimit, UsageCounter, UsageGrant, UsageRecord, UsageReservation
from tests.factories import make_user
from tests.test_services.test_usage.support import make_default_plan

QUANTITIES = st.integers(1, 8)
PART_OF_A_DAY = timedelta(hours=7)
TTL = timedelta(hours=3)


class Usage(RuleBasedStateMachine):
    """An owner who uses, reserves, commits, releases and refunds while days pass and limits change."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 10, 24, 20, 30, tzinfo=UTC)
        self.clock = mock.patch.object(timezone, "now", lambda: self.now)  # noqa: PT008 (it goes on)
        self.clock.start()
        # Each example is undone; use is counted inside of a caller's transaction here.
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.reservations: list[UsageReservation] = []

    def teardown(self) -> None:
        self.check_sums()
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
        self.clock.stop()

    @initialize()
    def begin(self) -> None:
        self.user = make_user()
        self.limit = make_default_plan(("minutes", 10, "day")).limits.get()

    def allowance(self) -> usage.Allowance:
        return usage.allowance(self.user, "minutes")

    def attempt(self, call: Any, quantity: int) -> Any:
        """Call; what is refused must be more than was left, what passes no more than that."""
        left = self.allowance().remaining
        assert left is not None
        try:
            outcome = call(self.user, "minutes", quantity)
        except exceptions.UsageLimitExceeded:
            assert quantity > left
            return None
        assert quantity <= left
        assert self.allowance().remaining == left - quantity
        return outcome

    @rule(quantity=QUANTITIES)
    def consume(self, quantity: int) -> None:
        self.attempt(usage.consume, quantity)

    @rule(quantity=QUANTITIES)
    def reserve(self, quantity: int) -> None:
        def call(*args: Any) -> UsageReservation:
            return usage.reserve(*args, expires_in=TTL)

        reservation = self.attempt(call, quantity)
        if reservation is not None:
            self.reservations.append(reservation)

    @precondition(lambda self: self.reservations)
    @rule(data=st.data(), cost=st.none() | st.integers(0, 12))
    def commit(self, data: Any, cost: int | None) -> None:
        reservation = data.draw(st.sampled_from(self.reservations))
        stored = UsageReservation.objects.get(pk=reservation.pk)
        try:
            assert usage.commit(reservation, cost).state == "committed"
        except exceptions.ReservationExpired:
            assert stored.expires <= self.now
        except exceptions.UsageLimitExceeded:
            assert cost is not None
            assert cost > stored.quantity
        except exceptions.WrongState:
            assert stored.state in ("committed", "released")

    @precondition(lambda self: self.reservations)
    @rule(data=st.data())
    def release(self, data: Any) -> None:
        reservation = data.draw(st.sampled_from(self.reservations))
        try:
            assert usage.release(reservation).state in ("released", "expired")
        except exceptions.WrongState:
            assert UsageReservation.objects.get(pk=reservation.pk).state == "committed"

    @rule(quantity=QUANTITIES)
    def refund(self, quantity: int) -> None:
        used = self.allowance().used
        try:
            usage.refund(self.user, "minutes", quantity)
        except exceptions.RefundExceedsUse:
            assert quantity > used
        else:
            assert self.allowance().used == used - quantity

    @rule(quantity=st.integers(1, 5), lasts=st.none() | st.integers(1, 30))
    def grant(self, quantity: int, lasts: int | None) -> None:
        expires = None if lasts is None else self.now + timedelta(hours=lasts)
        UsageGrant.objects.create(owner=self.user, metric="minutes", quantity=quantity, expires=expires)

    @rule(limit=st.integers(0, 20))
    def change_plan(self, limit: int) -> None:
        PlanLimit.objects.filter(pk=self.limit.pk).update(limit=limit)

    @rule()
    def wait(self) -> None:
        self.now += PART_OF_A_DAY

    def check_sums(self) -> None:
        for counter in UsageCounter.objects.all():
            lines = UsageRecord.objects.filter(period_key=counter.period_key).values_list("quantity", flat=True)
            held = counter.reservations.filter(state="held").values_list("quantity", flat=True)
            assert counter.used == sum(lines)
            assert counter.reserved == sum(held)
        drawn = sum(UsageGrant.objects.values_list("drawn", flat=True))
        assert sum(UsageCounter.objects.values_list("extra", flat=True)) == drawn

    @invariant()
    def answer_is_true(self) -> None:
        if not hasattr(self, "user"):
            return
        allowance = self.allowance()
        assert allowance.limit is not None
        assert allowance.remaining == max(0, allowance.limit - allowance.used - allowance.reserved)
        assert usage.check(self.user, "minutes") == (allowance.remaining > 0)
        assert allowance.resets_at is not None
        assert self.now < allowance.resets_at <= self.now + timedelta(hours=25)


@pytest.mark.django_db
def test_usage() -> None:
    examples = settings(max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Usage, settings=examples)


@pytest.mark.django_db
def test_grant_that_expires_while_its_units_are_held() -> None:
    """What was drawn for this period remains in it, as is shown, when what held it is given back."""
    machine = Usage()
    machine.begin()
    machine.wait()
    machine.wait()
    machine.consume(8)
    machine.grant(3, lasts=1)
    machine.grant(3, lasts=None)
    # Two units of the base, and two of the grant that expires.
    machine.reserve(4)
    machine.wait()
    machine.answer_is_true()
    machine.consume(1)
    machine.answer_is_true()
    machine.teardown()
