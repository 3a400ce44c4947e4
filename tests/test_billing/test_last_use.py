"""What was used until a price by use ends at once is charged, whether or not it was sent before that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.models import MeterEvent, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.subscriptions.add_items import change_item, remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.reconcile import reconcile_billing_operations
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events
from tests.billing_factories import make_plan
from tests.test_billing.metered_host import MeteredHost, send

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/v1/billing/meter_events"


@pytest.fixture
def by_use(metered: MeteredHost) -> PlanPricing:
    """Return the only price of a plan that is charged by use alone."""
    plan = make_plan("by-use")
    plan.limits.create(metric="calls", limit=None)
    PlanPricing.objects.filter(pk=metered.calls.pk).update(is_active=False)
    return metered.sell(plan)


def use(metered: MeteredHost, quantity: int) -> None:
    metered.pass_time(seconds=60)
    usage.consume(metered.user, "calls", quantity)
    metered.pass_time(seconds=60)


def calls() -> SubscriptionItem:
    return SubscriptionItem.objects.select_related("subscription__customer").get(kind="metered")


def test_cancelled__again_and_again(metered: MeteredHost, by_use: PlanPricing) -> None:
    for _again in range(3):
        subscription = metered.subscribed(by_use)
        metered.fake.customer_changes_card(metered.host.customer.provider_id or "", "pm_card_visa")
        use(metered, 100_000)
        body = {"subscription_id": subscription.provider_id, "at_period_end": False}
        assert metered.host.post("cancel", body).status_code == 200
        metered.host.deliver_new()
        send()
    metered.pass_time(days=32)
    assert sum(metered.charges(by_use)) == Decimal("120.00")
    assert metered.agrees() == [(True, 300_000)]


def test_cancelled__in_the_second_of_its_use(metered: MeteredHost, by_use: PlanPricing) -> None:
    """A period has ended before the second in which it ends."""
    subscription = metered.subscribed(by_use)
    usage.consume(metered.user, "calls", 100_000)
    cancel_subscription(subscription=subscription, at_period_end=False)
    metered.pass_time(hours=2)
    assert sum(metered.charges(by_use)) == Decimal("40.00")


def test_cancelled__with_the_rest_given_back(metered: MeteredHost) -> None:
    """What was used is taken off what is given back, as where it was sent before."""
    subscription = metered.with_calls()
    metered.pass_time(days=1)
    use(metered, 10_000)
    cancel_subscription(subscription=subscription, at_period_end=False, refund_unused="refund")
    given_back = sum(refund["amount"] for refund in metered.fake.all("refund"))
    assert 1480 < given_back < 1540


def test_cancelled__at_the_periods_end(metered: MeteredHost) -> None:
    """Its draft takes in what is sent later."""
    subscription = metered.with_calls()
    use(metered, 1000)
    cancel_subscription(subscription=subscription)
    assert metered.fake.all("billing.meter_event") == []


def test_removed(metered: MeteredHost) -> None:
    subscription = metered.with_calls()
    use(metered, 1000)
    remove_item(item=calls())
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 50_000)
    send()
    metered.renew(subscription)
    # The classic billing mode charges nothing of a price that is gone.
    assert metered.totals()[-1] == Decimal("20.40" if metered.fake.generation == "current" else "20.00")
    assert metered.agrees() == [(True, 51_000)]


def test_another_price(metered: MeteredHost) -> None:
    """What was used before is charged at the price that it had."""
    dearer = metered.host.basic.plan.pricing.create(
        amount=Decimal("0.0008"), currency="USD", usage_type="metered", metric="calls", may_be_added=True
    )
    push_plan(plan=metered.host.basic.plan)
    dearer.refresh_from_db()
    subscription = metered.with_calls()
    use(metered, 1000)
    change_item(item=calls(), pricing=dearer)
    use(metered, 500)
    send()
    metered.renew(subscription)
    assert metered.totals()[-1] == Decimal("20.80" if metered.fake.generation == "current" else "20.40")


def test_another_plan(metered: MeteredHost, by_use: PlanPricing) -> None:
    subscription = metered.subscribed(by_use)
    use(metered, 1000)
    change_subscription(subscription=subscription, plan=metered.host.basic.plan, pricing=metered.host.basic)
    metered.host.deliver_new()
    metered.pass_time(days=40)
    assert sum(metered.charges(by_use)) == Decimal("0.40" if metered.fake.generation == "current" else 0)


@pytest.mark.parametrize("who", ["customer", "reconcile"])
def test_stripe_is_silent__nothing_is_forgiven(metered: MeteredHost, by_use: PlanPricing, who: str) -> None:
    subscription = metered.subscribed(by_use)
    use(metered, 1000)
    metered.fake.fault("POST", EVENTS, kind="reset_after", times=20)
    body = {"subscription_id": subscription.provider_id, "at_period_end": False}
    refused = metered.host.post("cancel", body)
    assert (refused.status_code, refused.json()["code"]) == (502, "provider_unavailable")
    assert metered.fake.get(subscription.provider_id)["status"] == "active"
    metered.fake.clear_faults()
    if who == "customer":
        assert metered.host.post("cancel", body).status_code == 200
    else:
        assert [found.outcome for found in reconcile_billing_operations()] == ["settled"]
    metered.pass_time(hours=2)
    assert Subscription.objects.get().status == "canceled"
    assert sum(metered.charges(by_use)) == Decimal("0.40")
    assert metered.agrees() == [(True, 1000)]


def test_another_process_sends_it(metered: MeteredHost, by_use: PlanPricing) -> None:
    """Whether it arrives is not known yet."""
    subscription = metered.subscribed(by_use)
    use(metered, 1000)
    gather_meter_events()
    MeterEvent.objects.update(leased_until=timezone.now() + timedelta(seconds=30))
    with pytest.raises(ProviderUnavailable):
        cancel_subscription(subscription=subscription, at_period_end=False)
    metered.pass_time(seconds=60)
    assert cancel_subscription(subscription=subscription, at_period_end=False).has_ended


def test_refused_by_stripe__holds_nobody_up(metered: MeteredHost, by_use: PlanPricing, settings: Any) -> None:
    subscription = metered.subscribed(by_use)
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "no_such_meter"}
    use(metered, 1000)
    assert cancel_subscription(subscription=subscription, at_period_end=False).has_ended
    assert MeterEvent.objects.get().state == "refused"


def test_never_clear_whether_it_arrived__holds_nobody_up_for_ever(metered: MeteredHost, by_use: PlanPricing) -> None:
    subscription = metered.subscribed(by_use)
    use(metered, 1000)
    metered.fake.fault("POST", EVENTS, kind="error_500_before", times=1000)
    with pytest.raises(ProviderUnavailable):
        cancel_subscription(subscription=subscription, at_period_end=False)
    metered.pass_time(hours=24)
    assert cancel_subscription(subscription=subscription, at_period_end=False).has_ended
    assert MeterEvent.objects.get().state == "unclear"


def test_removing_what_is_not_charged_by_use(metered: MeteredHost) -> None:
    """It asks for no use to be sent."""
    add_on = metered.host.sell("support", Decimal("5.00"), is_add_on=True)
    metered.subscribed(add_ons=[(metered.calls, 1), (add_on, 1)])
    use(metered, 1000)
    remove_item(item=SubscriptionItem.objects.select_related("subscription__customer").get(kind="add_on"))
    assert metered.fake.all("billing.meter_event") == []
