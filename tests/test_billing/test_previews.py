"""What a change would cost: the invoice that a preview shows is the one that the change leads to."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.subscriptions import change_subscription, preview_change
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now, running_schedules

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def premium(either_host: SubscriptionHost) -> Subscription:
    """Return a subscription to premium, whose price is per seat."""
    either_host.premium.is_per_seat = True
    either_host.premium.save()
    return either_host.subscribed(either_host.premium)


@pytest.fixture
def other(either_host: SubscriptionHost) -> PlanPricing:
    return either_host.sell("other", Decimal("80.00"))


@pytest.fixture
def downgraded(either_host: SubscriptionHost, premium: Subscription) -> Subscription:
    """Return the subscription with a change to basic at the end of its period."""
    change_subscription(subscription=premium, pricing=either_host.basic, at_period_end=True)
    either_host.deliver_new()
    return now(premium)


def test_at_the_periods_end(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    preview = preview_change(subscription=premium, pricing=host.basic, at_period_end=True)
    assert (preview.total, [line.is_proration for line in preview.lines]) == (Decimal("20.00"), [False])
    assert running_schedules(host) == []
    with pytest.raises(InvalidInput):
        preview_change(subscription=premium, pricing=host.basic, at_period_end=True, proration="none")


@pytest.mark.parametrize("proration", ["create_prorations", "always_invoice", "none"])
def test_scheduled__a_change_now_drops_it(
    either_host: SubscriptionHost, downgraded: Subscription, other: PlanPricing, proration: str
) -> None:
    host, schedules = either_host, running_schedules(either_host)
    host.fake.advance(days=10)
    preview = preview_change(subscription=downgraded, pricing=other, proration=proration)
    assert running_schedules(host) == schedules
    change_subscription(subscription=downgraded, pricing=other, proration=proration)
    if proration != "always_invoice":
        host.fake.advance(days=22)
    made = host.fake.get(host.fake.get(downgraded.provider_id)["latest_invoice"])
    assert abs(preview.total * 100 - made["total"]) <= 2
    assert len(preview.lines) == len(made["lines"]["data"])


@pytest.mark.parametrize(("change", "total"), [("other", 80), ("seats", 250), ("as it is", 50)])
def test_scheduled__another_takes_its_place(
    either_host: SubscriptionHost, downgraded: Subscription, other: PlanPricing, change: str, total: int
) -> None:
    host, schedules = either_host, running_schedules(either_host)
    wish = {"other": {"pricing": other}, "seats": {"quantity": 5}, "as it is": {"quantity": 1}}[change]
    preview = preview_change(subscription=downgraded, at_period_end=True, **wish)
    assert (preview.total, running_schedules(host)) == (total, schedules)
    assert now(downgraded).scheduled_pricing == host.basic


def test_scheduled__on_trial(either_host: SubscriptionHost, other: PlanPricing) -> None:
    """A price without a trial ends the one that runs, and is charged at once."""
    host = either_host
    host.premium.trial_days = 14
    host.premium.save()
    subscription = host.subscribed(host.premium)
    change_subscription(subscription=subscription, pricing=host.basic, at_period_end=True)
    assert preview_change(subscription=now(subscription), pricing=other).total == 80


def test_scheduled__elsewhere(either_host: SubscriptionHost, premium: Subscription, other: PlanPricing) -> None:
    host = either_host
    host.fake.schedule_subscription(premium.provider_id, [{"items": [{"price": host.basic.stripe_price_id}]}])
    host.deliver_new()
    for at_period_end in (False, True):
        with pytest.raises(WrongState) as caught:
            preview_change(subscription=now(premium), pricing=other, at_period_end=at_period_end)
        assert caught.value.code == "has_schedule"


def test_api(either_host: SubscriptionHost, downgraded: Subscription, other: PlanPricing) -> None:
    body = {"subscription_id": downgraded.provider_id, "plan_id": other.plan_id, "at_period_end": True}
    assert either_host.post("change", {**body, "preview": True}).json()["total"] == "80.00"
