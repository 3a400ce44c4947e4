"""Reservations: kept, committed, released, expired."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import UsageGrant, UsageRecord, UsageReservation
from tests.test_services.test_usage.support import at, counter_of, make_default_plan

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ten(db: None) -> None:
    make_default_plan(("minutes", 10, "day"))


def later(**delta: float) -> Any:
    return at(timezone.now() + timedelta(**delta))


def test_reserve__keeps_units_free(user: Any) -> None:
    reservation = usage.reserve(user, "minutes", 7)
    assert reservation.is_held
    allowance = usage.allowance(user, "minutes")
    assert (allowance.used, allowance.reserved, allowance.remaining) == (0, 7, 3)
    for call in (usage.consume, usage.reserve):
        with pytest.raises(exceptions.UsageLimitExceeded):
            call(user, "minutes", 4)
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize(("cost", "used"), [(None, 7), (0, 0), (3, 3), (7, 7), (10, 10)])
def test_commit(user: Any, cost: int | None, used: int) -> None:
    reservation = usage.reserve(user, "minutes", 7)
    for _again in range(2):
        assert usage.commit(reservation.pk, cost).used == used
    allowance = usage.allowance(user, "minutes")
    assert (allowance.used, allowance.reserved, allowance.remaining) == (used, 0, 10 - used)
    assert sum(UsageRecord.objects.values_list("quantity", flat=True)) == used
    for call in (lambda: usage.commit(reservation, 1), lambda: usage.release(reservation)):
        with pytest.raises(exceptions.WrongState):
            call()


def test_commit__more_than_is_allowed(user: Any) -> None:
    reservation = usage.reserve(user, "minutes", 7)
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.commit(reservation, 11)
    allowance = usage.allowance(user, "minutes")
    assert (allowance.used, allowance.reserved) == (0, 7)
    usage.commit(reservation)


def test_release(user: Any) -> None:
    reservation = usage.reserve(user, "minutes", 7)
    for _again in range(2):
        assert usage.release(reservation).state == "released"
    assert usage.allowance(user, "minutes").remaining == 10
    with pytest.raises(exceptions.WrongState):
        usage.commit(reservation)


def test_expired__units_are_free(user: Any) -> None:
    abandoned = usage.reserve(user, "minutes", 10)
    with at(abandoned.expires - timedelta(seconds=1)), pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes")
    with at(abandoned.expires):
        assert usage.allowance(user, "minutes").remaining == 10
        usage.consume(user, "minutes", 10)
        assert counter_of(user).reserved == 0
        assert UsageReservation.objects.get().state == "expired"
        for call in (lambda: usage.commit(abandoned), lambda: usage.commit(abandoned, 3)):
            with pytest.raises(exceptions.ReservationExpired) as caught:
                call()
            assert caught.value.status_code == 409
        assert usage.release(abandoned).state == "expired"
    assert usage.allowance(user, "minutes").used == 10


def test_expired__committed_before_anybody_needed_the_units(user: Any) -> None:
    late = usage.reserve(user, "minutes", 4, expires_in=timedelta(seconds=5))
    with later(seconds=6):
        with pytest.raises(exceptions.ReservationExpired):
            usage.commit(late)
        assert usage.release(late).state == "released"
    assert counter_of(user).reserved == 0


def test_expired__let_go_with_the_next_reservation(user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_RESERVATION_SECONDS = 60
    for _number in range(3):
        usage.reserve(user, "minutes")
    with later(seconds=61):
        usage.reserve(user, "minutes", 2)
    assert counter_of(user).reserved == 2


def test_key(user: Any, other_user: Any) -> None:
    first = usage.reserve(user, "minutes", 7, idempotency_key="job")
    assert usage.reserve(user, "minutes", 7, idempotency_key="job").pk == first.pk
    assert counter_of(user).reserved == 7
    with pytest.raises(exceptions.IdempotencyKeyReused):
        usage.reserve(user, "minutes", 6, idempotency_key="job")
    assert usage.reserve(other_user, "minutes", 7, idempotency_key="job").pk != first.pk


def test_owner__is_checked(user: Any, other_user: Any) -> None:
    reservation = usage.reserve(user, "minutes", 7)
    for name in (reservation, reservation.pk, str(reservation.pk)):
        for call in (usage.commit, usage.release):
            with pytest.raises(exceptions.UnknownReservation):
                call(name, owner=other_user)
    for nonsense in ("", "7", uuid.uuid4()):
        with pytest.raises(exceptions.UnknownReservation):
            usage.commit(nonsense)
    assert usage.commit(str(reservation.pk), 7, owner=user).used == 7


def test_roll_over__in_the_middle(user: Any) -> None:
    with at("2026-11-23T23:59:00+00:00"):
        reservation = usage.reserve(user, "minutes", 6)
    with at("2026-11-24T00:01:00+00:00"):
        assert usage.allowance(user, "minutes").remaining == 10
        usage.consume(user, "minutes", 5)
        # What was reserved is yesterday's, what is more than that is today's.
        with pytest.raises(exceptions.UsageLimitExceeded):
            usage.commit(reservation, 12)
        usage.commit(reservation, 8)
        assert usage.allowance(user, "minutes").used == 7
    lines = UsageRecord.objects.filter(kind="commit").order_by("quantity").values_list("quantity", "period_key")
    assert list(lines) == [(2, "day:2026-11-24"), (6, "day:2026-11-23")]


def test_context_manager(user: Any) -> None:
    with usage.reserved(user, "minutes", 7) as work:
        assert usage.allowance(user, "minutes").reserved == 7
        work.cost = 2
    with usage.reserved(user, "minutes", 3):
        pass
    allowance = usage.allowance(user, "minutes")
    assert (allowance.used, allowance.reserved) == (5, 0)


def test_context_manager__work_that_fails(user: Any) -> None:
    with pytest.raises(ZeroDivisionError), usage.reserved(user, "minutes", 7):
        raise ZeroDivisionError
    assert usage.allowance(user, "minutes").remaining == 10


def test_context_manager__work_that_costs_too_much(user: Any) -> None:
    with pytest.raises(exceptions.UsageLimitExceeded), usage.reserved(user, "minutes", 7) as work:
        work.cost = 11
    allowance = usage.allowance(user, "minutes")
    assert (allowance.used, allowance.reserved) == (7, 0)


def test_grants__come_back_when_they_were_not_needed(user: Any) -> None:
    grant = UsageGrant.objects.create(owner=user, metric="minutes", quantity=5)
    reservation = usage.reserve(user, "minutes", 14)
    grant.refresh_from_db()
    assert grant.drawn == 4
    usage.commit(reservation, 11)
    grant.refresh_from_db()
    assert (grant.drawn, usage.allowance(user, "minutes").remaining) == (1, 4)
    usage.refund(user, "minutes", 11)
    grant.refresh_from_db()
    assert (grant.drawn, usage.allowance(user, "minutes").remaining) == (0, 15)
