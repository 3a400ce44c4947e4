"""What plans, seats, add-ons and the default plan allow together, and which plan is the owner's."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import exceptions, usage
from django_stripe_gateway.models import LimitOverride, Plan, PlanLimit, Subscription, UsageGrant
from django_stripe_gateway.subscriptions import active_plan, has_plan
from tests.billing_factories import make_customer, make_item, make_plan, make_pricing, make_subscription
from tests.test_services.test_usage.support import make_default_plan, make_limited_plan, statements, subscribe

pytestmark = pytest.mark.django_db

MOST = 2**63 - 1


def limit_of(owner: Any, metric: str = "minutes") -> int | None:
    return usage.allowance(owner, metric).limit


def per_unit(plan: Plan | None) -> None:
    PlanLimit.objects.filter(plan=plan).update(is_per_unit=True)


def add_on(*limits: tuple[str, int | None, str], is_per_unit: bool = False) -> Plan:
    plan = make_limited_plan(*limits, is_add_on=True)
    if is_per_unit:
        per_unit(plan)
    return plan


# Per unit.


def test_seats(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"), quantity=5)
    assert limit_of(user) == 10
    per_unit(mine.plan)
    assert limit_of(user) == 50
    usage.consume(user, "minutes", 45)
    Subscription.objects.update(quantity=7)
    assert usage.allowance(user, "minutes").remaining == 25
    # What was used is not lost with the seats.
    Subscription.objects.update(quantity=3)
    found = usage.allowance(user, "minutes")
    assert (found.limit, found.used, found.remaining) == (30, 45, 0)
    with pytest.raises(exceptions.UsageLimitExceeded):
        usage.consume(user, "minutes")
    Subscription.objects.update(quantity=5)
    usage.consume(user, "minutes", 5)


def test_seats__of_the_item(user: Any) -> None:
    """The item that is the plan says how many, where the provider's items are known."""
    mine = subscribe(user, ("minutes", 10, "day"), quantity=1, item_id="si_plan")
    per_unit(mine.plan)
    item = make_item(mine, mine.plan, provider_id="si_plan", quantity=4)
    assert limit_of(user) == 40
    item.quantity = 0
    item.save()
    assert limit_of(user) == 0


@pytest.mark.parametrize(
    ("limit", "quantity", "expected"),
    [(None, 5, None), (0, 5, 0), (10, 0, 0), (MOST, 2, MOST), (2**32, 2**31 - 1, MOST - 2**32 + 1)],
)
def test_seats__bounds(user: Any, limit: int | None, quantity: int, expected: int | None) -> None:
    mine = subscribe(user, ("minutes", limit, "day"), quantity=quantity)
    per_unit(mine.plan)
    assert limit_of(user) == expected


def test_seats__more_than_a_number_holds(user: Any) -> None:
    mine = subscribe(user, ("minutes", MOST, "day"), quantity=2**31 - 1)
    per_unit(mine.plan)
    make_item(mine, add_on(("minutes", MOST, "day")))
    UsageGrant.objects.create(owner=user, metric="minutes", quantity=10)
    for _again in range(2):
        usage.consume(user, "minutes", 10**12)
    found = usage.allowance(user, "minutes")
    assert (found.used, found.base) == (2 * 10**12, MOST)


def test_largest_limit__after_grants_were_drawn(user: Any) -> None:
    plan = make_default_plan(("minutes", 1, "day"))
    UsageGrant.objects.create(owner=user, metric="minutes", quantity=5)
    usage.consume(user, "minutes", 4)
    PlanLimit.objects.filter(plan=plan).update(limit=MOST)
    usage.consume(user, "minutes", 4)
    assert usage.allowance(user, "minutes").used == 8


# Add-ons.


def test_add_on(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"), ("seats", 1, "lifetime"))
    bought = add_on(("minutes", 5, "day"), ("exports", 2, "week"))
    item = make_item(mine, bought, quantity=3)
    assert [limit_of(user, metric) for metric in ("minutes", "seats", "exports")] == [15, 1, 2]
    per_unit(bought)
    assert [limit_of(user, metric) for metric in ("minutes", "seats", "exports")] == [25, 1, 6]
    make_item(mine, add_on(("minutes", 100, "day")))
    assert limit_of(user) == 125
    item.delete()
    assert limit_of(user) == 110
    assert not usage.check(user, "exports")
    Subscription.objects.update(status="canceled")
    assert not usage.check(user, "minutes")


def test_add_on__unlimited(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"), ("seats", None, "lifetime"))
    make_item(mine, add_on(("minutes", None, "day"), ("seats", 5, "lifetime"), is_per_unit=True), quantity=2)
    assert limit_of(user) is None
    assert limit_of(user, "seats") is None


def test_add_on__beside_what_the_default_plan_gives(user: Any) -> None:
    make_default_plan(("minutes", 7, "day"), ("seats", 1, "lifetime"))
    mine = subscribe(user, ("seats", 0, "lifetime"))
    make_item(mine, add_on(("minutes", 5, "day"), ("seats", 2, "lifetime")))
    assert (limit_of(user), limit_of(user, "seats")) == (12, 2)


def test_add_on__without_a_plan(user: Any) -> None:
    free = make_default_plan(("minutes", 7, "day"))
    mine = make_subscription(make_customer(user), plan=None)
    bought = add_on(("minutes", 5, "day"), ("exports", 2, "billing_period"))
    make_item(mine, bought)
    assert limit_of(user) == 12
    assert usage.allowance(user, "exports").resets_at == mine.current_period_end
    assert usage.limits(user).plan.pk == free.pk == active_plan(user).pk
    assert has_plan(user, bought.slug)
    assert not has_plan(user, "other")


def test_add_on__of_another_period(user: Any) -> None:
    """It cannot be added: the more generous of both counts, by the day."""
    mine = subscribe(user, ("minutes", 300, "month"))
    other = add_on(("minutes", 9, "day"))
    make_item(mine, other)
    assert limit_of(user) == 300
    PlanLimit.objects.filter(plan=other).update(limit=11)
    assert (limit_of(user), usage.allowance(user, "minutes").period) == (11, "day")


def test_add_on__of_another_subscription(user: Any) -> None:
    subscribe(user, ("minutes", 10, "day"))
    make_item(subscribe(user, ("minutes", 8, "day")), add_on(("minutes", 5, "day")))
    assert limit_of(user) == 15


def test_add_on__metered(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"))
    make_item(mine, add_on(("minutes", None, "day")), kind="metered", is_metered=True)
    assert limit_of(user) is None


def test_add_on__is_taken_over_and_left(user: Any) -> None:
    """What an add-on allowed and was used stays used when it goes."""
    mine = subscribe(user, ("minutes", 10, "billing_period"))
    item = make_item(mine, add_on(("minutes", 10, "billing_period")))
    usage.consume(user, "minutes", 15)
    item.delete()
    found = usage.allowance(user, "minutes")
    assert (found.limit, found.used, found.remaining) == (10, 15, 0)
    make_item(mine, add_on(("minutes", 10, "billing_period")))
    assert usage.allowance(user, "minutes").remaining == 5


def test_second_plan_in_one_subscription(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"), ("seats", 9, "lifetime"))
    second = make_limited_plan(("minutes", 25, "day"), ("seats", 3, "lifetime"))
    make_item(mine, second)
    assert (limit_of(user), limit_of(user, "seats")) == (25, 9)
    assert has_plan(user, second.slug)
    assert active_plan(user) == mine.plan


def test_items_nobody_knows(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"))
    make_item(mine, None, kind="unknown")
    assert limit_of(user) == 10


def test_override_and_grant__on_top_of_everything(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "billing_period"), quantity=5)
    per_unit(mine.plan)
    make_item(mine, add_on(("minutes", 5, "billing_period")))
    UsageGrant.objects.create(owner=user, metric="minutes", quantity=3)
    assert limit_of(user) == 58
    LimitOverride.objects.create(owner=user, metric="minutes", limit=2)
    found = usage.allowance(user, "minutes")
    assert (found.limit, found.resets_at) == (5, mine.current_period_end)


def test_cost(user: Any) -> None:
    make_default_plan(*[(f"metric-{number}", 5, "day") for number in range(10)])
    for _number in range(3):
        mine = subscribe(user, *[(f"metric-{number}", 5, "billing_period") for number in range(5)])
        for _again in range(3):
            make_item(mine, add_on(("metric-1", 7, "billing_period"), is_per_unit=True), quantity=2)
    with statements() as made:
        assert len(list(usage.limits(user))) == 10
    assert len(made) == 1
    for _again in range(2):
        with statements() as made:
            usage.consume(user, "metric-1", 50)
        assert len(made) == 3
    assert limit_of(user, "metric-1") == 5 + 9 * 14


# Which plan is the owner's.


def both(owner: Any) -> str:
    """Return the plan's key that both answers give."""
    plan, named = active_plan(owner), usage.limits(owner).plan
    assert plan is not None
    assert named is not None
    assert (plan.pk, plan.slug, plan.name) == (named.pk, named.slug, named.name)
    return plan.slug


PRICES: dict[str, dict[str, Any]] = {
    "dear": {"amount": Decimal("30.00")},
    "yearly": {"amount": Decimal("300.00"), "interval": "year"},
    "weekly": {"amount": Decimal("6.00"), "interval": "week"},
    "quarterly": {"amount": Decimal("80.00"), "interval_count": 3},
}


@pytest.mark.parametrize("order", list(permutations(PRICES)))
def test_plan__the_dearest_by_the_day(user: Any, order: tuple[str, ...]) -> None:
    make_default_plan(("minutes", 5, "day"))
    customer = make_customer(user)
    for slug in order:
        make_subscription(customer, pricing=make_pricing(make_plan(slug), **PRICES[slug]))
    assert both(user) == "dear"


def test_plan__by_quantity_then_the_newest(user: Any) -> None:
    customer = make_customer(user)
    first, second = (make_subscription(customer, pricing=make_pricing(make_plan(slug))) for slug in ("one", "two"))
    assert both(user) == "two"
    first.quantity = 2
    first.save()
    assert both(user) == "one"
    first.status = "canceled"
    first.save()
    assert both(user) == "two"
    second.status = "unpaid"
    second.save()
    make_default_plan(slug="free")
    assert both(user) == "free"


def test_plan__by_what_was_negotiated(user: Any) -> None:
    """A price that the catalogue does not know is the item's."""
    customer = make_customer(user)
    make_subscription(customer, pricing=make_pricing(make_plan("known"), amount=20))
    special = make_subscription(customer, pricing=make_pricing(make_plan("special"), amount=1), item_id="si_special")
    assert both(user) == "known"
    item = make_item(special, special.plan, provider_id="si_special", amount=Decimal("90.00"))
    assert both(user) == "special"
    item.is_metered = True
    item.save()
    assert both(user) == "known"


def test_plan__never_a_second_one(user: Any) -> None:
    """What is charged beside a subscription's plan, such as what the catalogue learns of later, may be dearer."""
    make_default_plan(slug="free")
    customer = make_customer(user)
    mine = make_subscription(customer, pricing=make_pricing(make_plan("basic"), amount=20))
    gold = make_limited_plan(("minutes", 10, "day"))
    make_item(mine, gold, amount=Decimal("99.00"))
    assert both(user) == "basic"
    assert limit_of(user) == 10
    make_subscription(customer, pricing=make_pricing(make_plan("silver"), amount=50))
    assert both(user) == "silver"
    Subscription.objects.update(plan=None, pricing=None)
    assert both(user) == "free"
    assert limit_of(user) == 10


def test_plan__never_an_add_on(user: Any) -> None:
    mine = subscribe(user, ("minutes", 10, "day"))
    make_item(mine, add_on(("minutes", 5, "day")), amount=Decimal("900.00"))
    assert mine.plan is not None
    assert both(user) == mine.plan.slug


def test_plan__without_limits(user: Any) -> None:
    make_default_plan(("minutes", 5, "day"))
    subscribe(user, ("minutes", 50, "day"))
    dear = make_subscription(
        make_customer(user, variant="other"),
        pricing=make_pricing(make_plan("bare"), amount=900),
        current_period_end=timezone.now() + timedelta(days=3),
    )
    assert both(user) == dear.plan.slug == "bare"
    assert limit_of(user) == 50
