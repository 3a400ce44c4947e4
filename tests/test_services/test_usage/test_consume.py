"""Use, checks and refunds, one caller at a time."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import PlanLimit, UsageCounter, UsageRecord
from django_stripe_gateway.models.logs import AppendOnlyError
from tests.test_services.test_usage.support import at, counter_of, make_default_plan, make_limited_plan, statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def _five(db: None) -> None:
    make_default_plan(("minutes", 5, "day"))


@pytest.mark.usefixtures("_five")
def test_consume(user: Any) -> None:
    record = usage.consume(user, "minutes", 3)
    assert (record.owner_id, record.metric, record.kind, record.quantity) == (user.pk, "minutes", "consume", 3)
    allowance = usage.allowance(user, "minutes")
    assert (allowance.limit, allowance.used, allowance.remaining, allowance.is_unlimited) == (5, 3, 2, False)
    usage.consume(user, "minutes", 2)
    assert usage.allowance(user, "minutes").remaining == 0
    assert not usage.check(user, "minutes")


@pytest.mark.usefixtures("_five")
def test_consume__refused(user: Any) -> None:
    with at("2026-11-23T22:30:00+00:00"):
        usage.consume(user, "minutes", 4)
        with pytest.raises(exceptions.UsageLimitExceeded) as caught:
            usage.consume(user, "minutes", 2)
        error = caught.value
        assert (error.status_code, error.code, error.type) == (429, "limit_exceeded", "rate_limit_error")
        assert (error.metric, error.limit, error.remaining, error.retry_after) == ("minutes", 5, 1, 90 * 60)
        assert error.resets_at is not None
        assert error.resets_at.astimezone(UTC).isoformat() == "2026-11-24T00:00:00+00:00"
        with pytest.raises(exceptions.UsageLimitExceeded):
            usage.require(user, "minutes", 2)
        usage.require(user, "minutes")
    assert counter_of(user).used == 4
    assert UsageRecord.objects.count() == 1


@pytest.mark.usefixtures("_five")
def test_consume__more_than_the_whole_limit(user: Any) -> None:
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes", 6)
    assert not UsageCounter.objects.exists()


def test_consume__never_resets(user: Any) -> None:
    make_default_plan(("seats", 1, "lifetime"))
    usage.consume(user, "seats")
    with pytest.raises(exceptions.UsageLimitExceeded) as caught:
        usage.consume(user, "seats")
    assert caught.value.retry_after is caught.value.resets_at is None
    usage.refund(user, "seats")
    usage.consume(user, "seats")


@pytest.mark.usefixtures("_five")
@pytest.mark.parametrize("quantity", [0, -1, 1.0, 1.5, "1", None, True, 10**12 + 1, 10**30, float("nan")])
def test_quantity__is_a_whole_number(user: Any, quantity: Any) -> None:
    for call in (usage.consume, usage.reserve, usage.refund, usage.check, usage.require):
        with pytest.raises(exceptions.InvalidQuantity):
            call(user, "minutes", quantity)
    assert not UsageCounter.objects.exists()


def test_metric__unknown(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    for call in (usage.consume, usage.reserve, usage.refund, usage.check, usage.allowance):
        with pytest.raises(exceptions.UnknownMetric):
            call(user, "minuets")


def test_metric__of_another_plan(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    make_limited_plan(("export", 1, "lifetime"))
    assert not usage.check(user, "export")
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "export")


def test_no_plan_at_all(user: Any) -> None:
    assert list(usage.limits(user)) == []
    assert usage.limits(user).plan is None
    with pytest.raises(exceptions.UnknownMetric):
        usage.consume(user, "minutes")


def test_unlimited(user: Any) -> None:
    make_default_plan(("minutes", None, "day"))
    usage.consume(user, "minutes", 10**12)
    usage.consume(user, "minutes", 10**12)
    allowance = usage.allowance(user, "minutes")
    assert (allowance.limit, allowance.remaining, allowance.used, allowance.is_unlimited) == (
        None,
        None,
        2 * 10**12,
        True,
    )


def test_limit_of_nothing(user: Any) -> None:
    make_default_plan(("minutes", 0, "day"))
    assert not usage.check(user, "minutes")
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes")


def test_largest_limit(user: Any) -> None:
    make_default_plan(("minutes", 2**63 - 1, "day"))
    usage.consume(user, "minutes")
    usage.consume(user, "minutes")
    assert usage.allowance(user, "minutes").remaining == 2**63 - 3


@pytest.mark.usefixtures("_five")
def test_key__repeated(user: Any, other_user: Any) -> None:
    for _again in range(2):
        record = usage.consume(user, "minutes", 3, idempotency_key="job-1")
        assert (record.quantity, record.metric) == (3, "minutes")
    assert counter_of(user).used == 3
    # Another owner's keys are their own, and a spent limit does not change an answer given earlier.
    usage.consume(other_user, "minutes", 5, idempotency_key="job-1")
    usage.consume(user, "minutes", 2)
    assert usage.consume(user, "minutes", 3, idempotency_key="job-1").quantity == 3
    assert counter_of(user).used == 5


@pytest.mark.usefixtures("_five")
def test_key__for_something_else(user: Any) -> None:
    PlanLimit.objects.create(plan=PlanLimit.objects.get().plan, metric="megabytes", limit=9)
    usage.consume(user, "minutes", 3, idempotency_key="job-1")
    for call in (
        lambda: usage.consume(user, "minutes", 2, idempotency_key="job-1"),
        lambda: usage.consume(user, "megabytes", 3, idempotency_key="job-1"),
        lambda: usage.refund(user, "minutes", 3, idempotency_key="job-1"),
    ):
        with pytest.raises(exceptions.IdempotencyKeyReused) as caught:
            call()
        assert caught.value.status_code == 409
    assert counter_of(user).used == 3
    with pytest.raises(exceptions.InvalidInput):
        usage.consume(user, "minutes", idempotency_key="")


@pytest.mark.usefixtures("_five")
def test_key__of_a_refused_call_is_free(user: Any) -> None:
    with at("2026-11-23T10:00:00+00:00"):
        usage.consume(user, "minutes", 5)
        with pytest.raises(exceptions.UsageLimitExceeded):
            usage.consume(user, "minutes", idempotency_key="job-1")
    with at("2026-11-24T10:00:00+00:00"):
        assert usage.consume(user, "minutes", idempotency_key="job-1").period_key == "day:2026-11-24"


@pytest.mark.usefixtures("_five")
def test_refund(user: Any) -> None:
    usage.consume(user, "minutes", 5)
    for _again in range(2):
        assert usage.refund(user, "minutes", 2, idempotency_key="r1").quantity == -2
    assert usage.allowance(user, "minutes").remaining == 2
    with pytest.raises(exceptions.RefundExceedsUse):
        usage.refund(user, "minutes", 4)
    assert counter_of(user).used == 3
    assert list(UsageRecord.objects.order_by("pk").values_list("kind", "quantity")) == [("consume", 5), ("refund", -2)]


@pytest.mark.usefixtures("_five")
def test_refund__nothing_was_used(user: Any) -> None:
    with pytest.raises(exceptions.RefundExceedsUse):
        usage.refund(user, "minutes")
    with at(timezone.now() - timedelta(days=1)):
        usage.consume(user, "minutes")
    with pytest.raises(exceptions.RefundExceedsUse):
        usage.refund(user, "minutes")


@pytest.mark.usefixtures("_five")
def test_cost(user: Any) -> None:
    for quantity in (1, 1, 2, 1):
        with statements() as made:
            usage.consume(user, "minutes", quantity)
        assert len(made) == 3, made
    with statements() as made, pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes")
    assert len(made) == 1
    with statements() as made:
        usage.limits(user)
    assert len(made) == 1


def test_cost__with_a_key_and_without_a_limit(user: Any) -> None:
    make_default_plan(("minutes", 50, "day"), ("megabytes", None, "day"))
    for number in range(3):
        for metric in ("minutes", "megabytes"):
            with statements() as made:
                usage.consume(user, metric, 4, idempotency_key=f"{metric}-{number}")
            assert len(made) == 3, made


def test_cost__as_history_grows(user: Any) -> None:
    make_default_plan(*[(f"metric-{number}", 100, "day") for number in range(20)])
    for day in range(1, 10):
        with at(f"2026-10-{day:02}T12:00:00+00:00"):
            usage.consume(user, "metric-1", day)
            usage.consume(user, "metric-2", day)
    with statements() as made:
        assert len(list(usage.limits(user))) == 20
    assert len(made) == 1
    with statements() as made:
        usage.consume(user, "metric-1")
    assert len(made) == 3
    # Whatever is read of counters is read through the index that holds the current ones only.
    assert UsageCounter.objects.filter(owner=user, current_until__gt=timezone.now()).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_five")
def test_transaction_of_the_caller(user: Any) -> None:
    with transaction.atomic():
        usage.consume(user, "minutes", 5, idempotency_key="k")
        transaction.set_rollback(True)
    assert not UsageRecord.objects.exists()
    with transaction.atomic():
        usage.consume(user, "minutes", 5, idempotency_key="k")
        with pytest.raises(exceptions.UsageLimitExceeded):
            usage.consume(user, "minutes", 1, idempotency_key="l")
        with pytest.raises(exceptions.UnknownMetric):
            usage.consume(user, "unknown")
        # A refusal leaves the caller's transaction as it was.
        usage.refund(user, "minutes", 1)
    assert counter_of(user).used == 4
    assert UsageRecord.objects.count() == 2


@pytest.mark.usefixtures("_five")
def test_owner_is_deleted(user: Any) -> None:
    usage.consume(user, "minutes")
    usage.reserve(user, "minutes")
    user.delete()
    assert not UsageCounter.objects.exists()
    assert UsageRecord.objects.get().owner is None


@pytest.mark.usefixtures("_five")
def test_ledger__append_only(user: Any) -> None:
    for record in (usage.consume(user, "minutes"), usage.consume(user, "minutes", idempotency_key="k")):
        with pytest.raises(AppendOnlyError):
            record.save()
        with pytest.raises(AppendOnlyError):
            record.delete()
    with pytest.raises(AppendOnlyError):
        UsageRecord.objects.all().update(quantity=0)


@pytest.mark.usefixtures("_five")
def test_history(user: Any) -> None:
    for day, quantity in ((20, 3), (20, 1), (22, 5)):
        with at(f"2026-11-{day}T12:00:00+00:00"):
            usage.consume(user, "minutes", quantity)
    with at("2026-11-20T13:00:00+00:00"):
        usage.refund(user, "minutes", 2)
    first, last = (timezone.datetime(2026, 11, day).date() for day in (19, 22))
    with statements() as made:
        history = UsageRecord.objects.for_owner(user).per_day("minutes", first, last)
    assert [(day.day, used) for day, used in history.items()] == [(19, 0), (20, 2), (21, 0), (22, 5)]
    assert len(made) == 1
