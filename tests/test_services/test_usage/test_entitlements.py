"""Which limits apply: of a plan, of the default one, of several, overridden, with grants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import LimitOverride, PlanLimit, UsageGrant
from tests.billing_factories import make_customer, make_subscription
from tests.test_services.test_usage.support import (
    at,
    counter_of,
    make_default_plan,
    make_limited_plan,
    statements,
    subscribe,
)

pytestmark = pytest.mark.django_db


def limit_of(owner: Any, metric: str = "minutes") -> tuple[int | None, str]:
    allowance = usage.allowance(owner, metric)
    return allowance.limit, allowance.period


def test_default_plan(user: Any) -> None:
    make_limited_plan(("minutes", 7, "day"))
    make_default_plan(("minutes", 8, "day"), is_active=False)
    plan = make_default_plan(("minutes", 5, "day"), name="Free")
    make_default_plan(("minutes", 9, "day"))
    found = usage.limits(user)
    assert limit_of(user) == (5, "day")
    assert found.plan is not None
    assert (found.plan.pk, found.plan.slug, found.plan.name) == (plan.pk, plan.slug, "Free")


@pytest.mark.parametrize("status", ["canceled", "incomplete", "unpaid", "paused", "starting", "incomplete_expired"])
def test_subscription__that_is_not_valid(user: Any, status: str) -> None:
    make_default_plan(("minutes", 5, "day"))
    subscribe(user, ("minutes", 50, "day"), status=status)
    assert limit_of(user) == (5, "day")


@pytest.mark.parametrize("status", ["active", "trialing", "past_due"])
def test_subscription__valid(user: Any, other_user: Any, status: str) -> None:
    make_default_plan(("minutes", 500, "day"), ("megabytes", 1, "day"))
    mine = subscribe(user, ("minutes", 50, "day"), status=status, past_due_since=timezone.now())
    assert limit_of(user) == (50, "day")
    assert limit_of(other_user) == (500, "day")
    plan = usage.limits(user).plan
    assert plan is not None
    assert plan.pk == mine.plan_id
    # What the plan does not list it has of the default plan, and nothing more.
    assert limit_of(user, "megabytes") == (1, "day")


def test_subscription__past_due_for_too_long(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    subscribe(user, ("minutes", 50, "day"), status="past_due", past_due_since=timezone.now() - timedelta(days=9))
    assert limit_of(user) == (5, "day")


def test_subscription__gives_no_less_than_the_default_plan(user: Any) -> None:
    make_default_plan(("minutes", 5, "billing_period"), ("megabytes", 3, "day"), ("seats", None, "lifetime"))
    mine = subscribe(user, ("megabytes", 0, "day"))
    # In the period that is paid; what the plan says to be nothing stays nothing.
    assert usage.allowance(user, "minutes").resets_at == mine.current_period_end
    assert [limit_of(user, metric)[0] for metric in ("minutes", "megabytes", "seats")] == [5, 0, None]
    # One that says nothing gives what the default plan gives, also beside one that says 0.
    subscribe(user)
    assert limit_of(user, "megabytes") == (3, "day")


def test_subscription__without_limits_and_without_a_default(user: Any) -> None:
    make_limited_plan(("minutes", 5, "day"))
    subscribe(user)
    assert list(usage.limits(user)) == []
    assert not usage.check(user, "minutes")


def test_subscription__to_a_plan_that_is_unknown_here(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    make_subscription(make_customer(user), plan=None)
    assert limit_of(user) == (5, "day")


def test_several__the_most_generous_of_each_metric(user: Any) -> None:
    subscribe(user, ("minutes", 10, "day"), ("megabytes", None, "day"), ("seats", 3, "lifetime"))
    newest = subscribe(user, ("minutes", 200, "month"), ("megabytes", 10**9, "day"), ("seats", 4, "lifetime"))
    subscribe(user, ("minutes", 50, "week"), status="canceled")
    assert limit_of(user) == (10, "day")
    assert limit_of(user, "megabytes") == (None, "day")
    assert limit_of(user, "seats") == (4, "lifetime")
    subscribe(user, ("minutes", 301, "month"), status="trialing")
    assert limit_of(user) == (301, "month")
    plan = usage.limits(user).plan
    assert plan is not None
    assert plan.pk > newest.plan_id


def test_plan_change__use_goes_on(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    usage.consume(user, "minutes", 5)
    premium = subscribe(user, ("minutes", 20, "day"))
    assert usage.allowance(user, "minutes").remaining == 15
    usage.consume(user, "minutes", 12)
    PlanLimit.objects.filter(plan=premium.plan).update(limit=8)
    allowance = usage.allowance(user, "minutes")
    assert (allowance.limit, allowance.used, allowance.remaining) == (8, 17, 0)
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes")
    usage.refund(user, "minutes", 10)
    assert usage.allowance(user, "minutes").remaining == 1


def test_override(user: Any, other_user: Any) -> None:
    make_default_plan(("minutes", 5, "week"))
    override = LimitOverride.objects.create(owner=user, metric="minutes", limit=50)
    assert limit_of(user) == (50, "week")
    assert limit_of(other_user) == (5, "week")
    LimitOverride.objects.update(limit=None, period="day")
    assert limit_of(user) == (None, "day")
    LimitOverride.objects.update(expires=timezone.now())
    assert limit_of(user) == (5, "week")
    override.delete()
    LimitOverride.objects.create(owner=user, metric="exports", limit=2)
    assert limit_of(user, "exports") == (2, "day")


def test_override__that_takes_away(user: Any) -> None:
    subscribe(user, ("minutes", None, "day"))
    LimitOverride.objects.create(owner=user, metric="minutes", limit=0)
    assert not usage.check(user, "minutes")


def test_override__of_a_billing_period(user: Any) -> None:
    end = timezone.now() + timedelta(days=3)
    subscribe(user, ("minutes", 5, "billing_period"), current_period_end=end)
    LimitOverride.objects.create(owner=user, metric="minutes", limit=9)
    allowance = usage.allowance(user, "minutes")
    assert (allowance.limit, allowance.resets_at) == (9, end)


def test_grant(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    now = timezone.now()
    early = UsageGrant.objects.create(owner=user, metric="minutes", quantity=3, expires=now + timedelta(hours=1))
    late = UsageGrant.objects.create(owner=user, metric="minutes", quantity=4)
    UsageGrant.objects.create(owner=user, metric="minutes", quantity=100, expires=now)
    assert usage.allowance(user, "minutes").limit == 12
    usage.consume(user, "minutes", 5)
    usage.consume(user, "minutes", 2)
    usage.consume(user, "minutes", 2)
    for grant in (early, late):
        grant.refresh_from_db()
    assert (early.drawn, late.drawn) == (3, 1)
    allowance = usage.allowance(user, "minutes")
    assert (allowance.limit, allowance.used, allowance.remaining) == (12, 9, 3)
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes", 4)
    # Once only: the next day has what is left of it.
    with at(now + timedelta(days=1)):
        assert usage.allowance(user, "minutes").limit == 8


def test_grant__at_once_and_without_a_limit(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    UsageGrant.objects.create(owner=user, metric="minutes", quantity=3)
    UsageGrant.objects.create(owner=user, metric="exports", quantity=1)
    usage.consume(user, "minutes", 8)
    usage.consume(user, "exports")
    assert not usage.check(user, "exports")
    assert counter_of(user).extra == 3


def test_grant__drawn_by_use_that_is_given_back(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    grant = UsageGrant.objects.create(owner=user, metric="minutes", quantity=3)
    usage.consume(user, "minutes", 7)
    usage.refund(user, "minutes", 4)
    grant.refresh_from_db()
    assert (grant.drawn, counter_of(user).extra) == (0, 0)


def test_cost__with_everything(user: Any) -> None:
    subscribe(user, *[(f"metric-{number}", 5, "billing_period") for number in range(10)])
    subscribe(user, *[(f"metric-{number}", 6, "week") for number in range(10)])
    for number in range(10):
        LimitOverride.objects.create(owner=user, metric=f"metric-{number}", limit=7)
        UsageGrant.objects.create(owner=user, metric=f"metric-{number}", quantity=7)
        usage.reserve(user, f"metric-{number}", 2)
    with statements() as made:
        assert {allowance.remaining for allowance in usage.limits(user)} == {12}
    assert len(made) == 1
