"""Limits over HTTP, while what is subscribed to changes at the provider."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.models import PlanLimit, Subscription
from tests.billing_factories import make_plan
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

METRIC = {"metric": "minutes", "limit": 10, "period": "billing_period"}


@pytest.fixture
def _limits(either_host: SubscriptionHost) -> None:
    for plan in (make_plan("free", is_default=True), either_host.basic.plan):
        PlanLimit.objects.create(plan=plan, **METRIC)


def limit_of(host: SubscriptionHost) -> dict[str, Any]:
    (found,) = host.get("me/limits").json()["limits"]
    assert set(found) == {"metric", "limit", "used", "remaining", "period", "resets_at", "unlimited"}
    return dict(found)


def use_up(host: SubscriptionHost) -> int:
    """Use one by one what is left; return how much that was."""
    return next(used for used in range(100) if host.post("me/usage", {"metric": "minutes"}).status_code == 429)


def row() -> Subscription:
    return Subscription.objects.latest("pk")


@pytest.mark.usefixtures("_limits")
def test_cancel_at_once_and_subscribe_again(either_host: SubscriptionHost) -> None:
    host = either_host
    used = use_up(host)
    for _again in range(3):
        mine = host.subscribed(host.basic, pricing_id=host.basic.pk)
        assert limit_of(host)["limit"] == 10
        used += use_up(host)
        answer = host.post("cancel", {"subscription_id": mine.provider_id, "at_period_end": False})
        assert answer.status_code == 200, answer.content
        host.deliver_new()
        used += use_up(host)
    assert used == 10
    assert limit_of(host)["used"] == 10


@pytest.mark.usefixtures("_limits")
def test_month_to_year_and_back(either_host: SubscriptionHost) -> None:
    host = either_host
    year = host.sell("basic", Decimal("200.00"), interval="year")
    mine = host.subscribed(host.basic, pricing_id=host.basic.pk)
    used = use_up(host)
    for pricing in (year, host.basic, year):
        body = {"subscription_id": mine.provider_id, "plan_id": pricing.plan_id, "pricing_id": pricing.pk}
        answer = host.post("change", body)
        assert answer.status_code == 200, answer.content
        host.deliver_new()
        assert row().pricing == pricing
        used += use_up(host)
    assert used == 10


def test_periods_that_follow_each_other(either_host: SubscriptionHost) -> None:
    host = either_host
    year = host.sell("basic", Decimal("200.00"), interval="year")
    mine = host.subscribed(host.basic, pricing_id=host.basic.pk)
    first = row().current_period_start
    assert row().periods_since == first
    for _renewal in range(2):
        host.fake.advance(days=31)
        host.deliver_new()
    assert row().current_period_start > first
    assert row().periods_since == first
    body = {"subscription_id": mine.provider_id, "plan_id": year.plan_id, "pricing_id": year.pk}
    assert host.post("change", body).status_code == 200
    host.deliver_new()
    # The month was cut short.
    assert row().periods_since == row().current_period_start > first


@pytest.mark.usefixtures("_limits")
def test_seats(either_host: SubscriptionHost) -> None:
    host = either_host
    PlanLimit.objects.update(is_per_unit=True)
    host.basic.is_per_seat = True
    host.basic.save()
    assert limit_of(host)["limit"] == 10
    mine = host.subscribed(quantity=5)
    assert limit_of(host)["limit"] == 50
    for quantity, expected in ((7, 70), (2, 20)):
        body = {"subscription_id": mine.provider_id, "plan_id": host.basic.plan_id, "quantity": quantity}
        assert host.post("change", body).status_code == 200
        assert limit_of(host)["limit"] == expected
