"""What was used, from the line in the ledger to that of the invoice: all of it, once, at the price that was sold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.models import Customer, Invoice, MeterEvent, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.add_items import add_item, change_item, remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events
from tests.billing_factories import make_plan
from tests.test_billing.metered_host import MeteredHost, send, to_the_hour

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/v1/billing/meter_events"


def use_over_days(metered: MeteredHost) -> None:
    """Use 90 calls over several days, each time less than a cent and a half: 3.6 cents, 3 if each were rounded."""
    for quantity in (30, 20, 15):
        usage.consume(metered.user, "calls", quantity)
        send()
        metered.pass_time(days=3, hours=1)
    usage.consume(metered.user, "calls", 35)
    send()
    # Given back after it was sent.
    usage.refund(metered.user, "calls", 10)
    send()


@pytest.mark.parametrize("way", ["added", "subscribed to", "in checkout"])
def test_month(metered: MeteredHost, way: str) -> None:
    if way == "added":
        subscription = metered.with_calls()
    elif way == "subscribed to":
        subscription = metered.subscribed(add_ons=[(metered.calls, 1)])
    else:
        body = {"add_ons": [{"pricing_id": metered.calls.pk}], "mode": "checkout", "pricing_id": metered.host.basic.pk}
        PlanPricing.objects.filter(pk=metered.calls.pk).update(may_be_added=True)
        metered.host.subscribe(**body)
        metered.fake.complete_checkout(metered.fake.all("checkout.session")[0]["id"])
        metered.host.deliver_new()
        subscription = Subscription.objects.get()
    use_over_days(metered)
    assert metered.agrees() == [(True, 90)]
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.04")
    assert metered.totals() == [Decimal("20.00"), Decimal("20.04")]
    assert Invoice.objects.latest("pk").status == "paid"
    # The next month begins at nothing.
    usage.consume(metered.user, "calls", 25_000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("10.00")
    assert metered.totals()[-1] == Decimal("30.00")
    assert metered.agrees() == [(True, 25_090)]


def test_month__of_a_plan_that_is_only_metered(metered: MeteredHost) -> None:
    plan = make_plan("by-use")
    plan.limits.create(metric="calls", limit=100, period="day")
    pricing = metered.sell(plan)
    subscription = metered.subscribed(pricing)
    assert (subscription.plan, subscription.is_valid) == (plan, True)
    with pytest.raises(UsageLimitExceeded):
        usage.consume(metered.user, "calls", 101)
    use_over_days(metered)
    metered.renew(subscription)
    assert metered.charges(pricing)[-1] == Decimal("0.04")
    assert metered.totals()[-1] == Decimal("0.04")


def test_month__of_an_add_on(metered: MeteredHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls", "minutes": "minutes"}
    plan = make_plan("minutes", is_add_on=True)
    plan.limits.create(metric="minutes", limit=None)
    pricing, subscription = metered.sell(plan, "minutes"), metered.with_calls()
    with pytest.raises(UsageLimitExceeded):
        usage.consume(metered.user, "minutes")
    add_item(subscription=subscription, pricing=pricing)
    usage.consume(metered.user, "minutes", 1000)
    usage.consume(metered.user, "calls", 500)
    send()
    metered.renew(subscription)
    assert (metered.charges(pricing)[-1], metered.charges(metered.calls)[-1]) == (Decimal("0.40"), Decimal("0.20"))
    assert metered.totals()[-1] == Decimal("20.60")


def test_crash__charged_once(metered: MeteredHost) -> None:
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    # One process gathers and dies, the answer to the next one is lost, and Stripe forgets the key of its request.
    gather_meter_events()
    metered.fake.fault("POST", EVENTS, kind="reset_after")
    send()
    assert MeterEvent.objects.get().state == "pending"
    metered.fake.forget_idempotency_keys()
    send()
    send()
    assert set(MeterEvent.objects.values_list("state", "attempts")) == {("sent", 2)}
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    assert metered.agrees() == [(True, 1000)]


def test_late(metered: MeteredHost) -> None:
    """An invoice takes in what arrives while it is a draft; what comes later was used in a period that is paid."""
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    metered.renew(subscription, until_paid=False)
    # Used in the new period, and in the same hour perhaps.
    usage.consume(metered.user, "calls", 5000)
    send()
    metered.pass_time(hours=2)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    usage.consume(metered.user, "calls", 2500)
    metered.renew(subscription)
    send()
    assert metered.charges(metered.calls)[-1] == Decimal("2.00")
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.00")
    assert metered.agrees() == [(True, 8500)]


def test_added__counts_from_then_on(metered: MeteredHost) -> None:
    """Use in the hour before the price was added is not charged, and takes with it nothing of what comes after."""
    subscription = metered.subscribed()
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 7000)
    metered.pass_time(seconds=600)
    add_item(subscription=subscription, pricing=metered.calls)
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    assert metered.agrees() == [(True, 8000)]


def test_removed(metered: MeteredHost) -> None:
    """What was sent until then is charged with the next invoice, but not in the classic billing mode; the rest not."""
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(days=2)
    remove_item(item=SubscriptionItem.objects.select_related("subscription__customer").get(kind="metered"))
    usage.consume(metered.user, "calls", 5000)
    send()
    metered.renew(subscription)
    is_flexible = metered.fake.get(subscription.provider_id)["billing_mode"]["type"] == "flexible"
    assert is_flexible == (metered.fake.generation == "current")
    assert metered.totals()[-1] == Decimal("20.40" if is_flexible else "20.00")
    assert metered.agrees() == [(True, 6000)]


@pytest.mark.parametrize("way", ["removed", "changed", "changed with the plan"])
def test_removed__is_charged_whatever_the_proration_is(metered: MeteredHost, settings: Any, way: str) -> None:
    """Stripe forgives the use of a price that goes without a proration."""
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "none"
    calls = metered.calls
    if way == "changed with the plan":
        plan = make_plan("by-use")
        plan.limits.create(metric="calls", limit=None)
        calls = metered.sell(plan)
        metered.subscribed(calls)
    else:
        metered.with_calls()
    usage.consume(metered.user, "calls", 1_000_000)
    send()
    metered.pass_time(days=2)
    subscription = Subscription.objects.select_related("customer", "plan").get()
    item = SubscriptionItem.objects.select_related("subscription__customer").get(is_metered=True)
    if way == "removed":
        PlanPricing.objects.filter(pk=calls.pk).update(may_be_added=True)
        assert metered.host.delete(f"items/{item.provider_id}").status_code == 200
    elif way == "changed":
        other = metered.sell(make_plan("other", is_add_on=True))
        change_item(item=item, pricing=other, proration="none")
    else:
        metered.host.change_card(subscription, "pm_card_visa")
        change_subscription(subscription=subscription, pricing=metered.host.premium)
    metered.renew(subscription)
    is_flexible = metered.fake.generation == "current"
    assert sum(metered.charges(calls)) == (400 if is_flexible else 0)


def test_cancelled_at_once(metered: MeteredHost) -> None:
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(days=2)
    cancel_subscription(subscription=subscription, at_period_end=False)
    metered.host.deliver_new()
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    usage_before = len(metered.totals())
    metered.pass_time(days=40)
    assert len(metered.totals()) == usage_before


def test_without_a_subscription(metered: MeteredHost) -> None:
    """It is counted and not charged, also where somebody subscribes in the same hour."""
    make_plan("free", is_default=True).limits.create(metric="calls", limit=None)
    usage.consume(metered.user, "calls", 100)
    send()
    assert metered.fake.all("billing.meter_event") == []
    ensure_customer(owner=metered.user)
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 7000)
    metered.pass_time(seconds=600)
    subscription = metered.with_calls()
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    assert metered.agrees() == [(True, 8000)]
    assert Customer.objects.count() == 1
