"""Use is charged once: no customer gets two prices of one meter, in one subscription or in several."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions import change
from django_stripe_gateway.services.subscriptions.add_items import add_item, change_item, remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from tests.billing_factories import make_plan
from tests.test_billing.metered_host import MeteredHost, send, to_the_hour

pytestmark = pytest.mark.django_db(transaction=True)


def refused(act: Any) -> bool:
    """Return whether use would be charged twice by that."""
    with pytest.raises(WrongState) as refusal:
        act()
    return refusal.value.code == "already_metered"


def calls_item() -> SubscriptionItem:
    return SubscriptionItem.objects.select_related("subscription__customer").get(kind="metered")


@pytest.fixture
def extra(metered: MeteredHost) -> PlanPricing:
    """Return the price of an add-on that counts calls too."""
    return metered.sell(make_plan("extra", is_add_on=True))


@pytest.fixture
def premium(metered: MeteredHost) -> PlanPricing:
    """Return a price of another plan for calls."""
    plan = metered.host.premium.plan
    plan.limits.create(metric="calls", limit=None)
    return metered.sell(plan)


@pytest.mark.usefixtures("one_per_plan")
def test_two_subscriptions(metered: MeteredHost, premium: PlanPricing) -> None:
    first = metered.subscribed(add_ons=[(metered.calls, 1)])
    assert refused(lambda: metered.subscribed(metered.host.premium, add_ons=[(premium, 1)]))
    second = metered.subscribed(metered.host.premium)
    assert refused(lambda: add_item(subscription=second, pricing=premium))
    assert len(metered.fake.all("subscription")) == 2
    # The first one's are nobody's any more.
    cancel_subscription(subscription=first, at_period_end=False)
    add_item(subscription=second, pricing=premium)
    usage.consume(metered.user, "calls", 25_000)
    send()
    metered.renew(second)
    assert (metered.charges(premium), sum(metered.charges(metered.calls))) == ([Decimal("10.00")], 0)


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_one_request(metered: MeteredHost, extra: PlanPricing, mode: str) -> None:
    assert refused(lambda: metered.subscribed(add_ons=[(metered.calls, 1), (extra, 1)], mode=mode))
    by_use = metered.sell(make_plan("by-use"))
    assert refused(lambda: metered.subscribed(by_use, add_ons=[(extra, 1)], mode=mode))
    assert metered.fake.all("subscription") == []
    assert not Subscription.objects.exists()


def test_answered_by_the_api(metered: MeteredHost, extra: PlanPricing) -> None:
    subscription = metered.with_calls()
    PlanPricing.objects.filter(pk=extra.pk).update(may_be_added=True)
    body = {"subscription_id": subscription.provider_id, "pricing_id": extra.pk}
    answer = metered.host.post("items", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_metered")


def test_prices_of_other_meters(metered: MeteredHost, extra: PlanPricing, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls", "minutes": "minutes"}
    minutes = metered.sell(make_plan("minutes", is_add_on=True), "minutes")
    subscription = metered.subscribed(add_ons=[(metered.calls, 1), (minutes, 1)])
    item = subscription.items.get(pricing=minutes)
    assert refused(lambda: change_item(item=item, pricing=extra))
    # Another meter of the same name: nothing is sent to both.
    PlanPricing.objects.filter(pk=extra.pk).update(meter_id="mtr_before")
    add_item(subscription=subscription, pricing=extra)


@pytest.mark.usefixtures("one_per_plan")
def test_price_that_is_scheduled(metered: MeteredHost) -> None:
    host, by_use = metered.host, metered.sell(make_plan("by-use"))
    first = metered.subscribed(host.sell("other", Decimal("7.00")))
    change_subscription(subscription=first, pricing=by_use, at_period_end=True)
    host.deliver_new()
    second = metered.subscribed()
    assert refused(lambda: add_item(subscription=second, pricing=metered.calls))
    # What is scheduled there can be put another way.
    first.refresh_from_db()
    change_subscription(subscription=first, pricing=host.premium, at_period_end=True)
    add_item(subscription=second, pricing=metered.calls)
    usage.consume(metered.user, "calls", 25_000)
    send()
    metered.renew(second)
    assert (metered.charges(metered.calls), metered.charges(by_use)) == ([Decimal("10.00")], [])


@pytest.mark.usefixtures("one_per_plan")
def test_price_that_waits_for_its_payment(metered: MeteredHost, settings: Any) -> None:
    """A change of the price by use charges what was used so far, which the customer may have to authenticate."""
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls", "minutes": "minutes"}
    minutes = metered.sell(make_plan("minutes", is_add_on=True), "minutes")
    first, second = metered.with_calls(), metered.subscribed(metered.host.premium)
    usage.consume(metered.user, "calls", 25_000)
    metered.pass_time(seconds=3600)
    send()
    metered.pass_time(seconds=3600)
    metered.host.change_card(first, "pm_card_authenticationRequired")
    changed = change_item(item=calls_item(), pricing=minutes, proration="always_invoice")
    is_flexible = metered.fake.generation == "current"
    assert changed.has_pending_update == is_flexible
    assert refused(lambda: add_item(subscription=second, pricing=minutes))
    metered.pass_time(hours=24)
    if is_flexible:
        # The change was given up.
        add_item(subscription=second, pricing=minutes)


def test_price_whose_meter_is_unknown(metered: MeteredHost, extra: PlanPricing) -> None:
    subscription = metered.with_calls()
    PlanPricing.objects.filter(pk=extra.pk).update(meter_id="")
    assert refused(lambda: add_item(subscription=subscription, pricing=extra))


def test_change_of_plan(metered: MeteredHost, premium: PlanPricing) -> None:
    """The price by use stays until it is changed too; each counts while it is charged."""
    subscription = metered.with_calls()
    to_the_hour(metered)
    change_subscription(subscription=subscription, plan=premium.plan)
    metered.host.deliver_new()
    subscription.refresh_from_db()
    assert refused(lambda: add_item(subscription=subscription, pricing=premium))
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 500)
    metered.pass_time(seconds=60)
    change_item(item=calls_item(), pricing=premium)
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 25_000)
    send()
    metered.renew(subscription)
    assert metered.charges(premium) == [Decimal("10.00")]
    # Nobody promises what becomes of the 500, which Stripe heard of when the price was gone.
    is_flexible = metered.fake.generation == "current"
    assert sum(metered.charges(metered.calls)) in ({Decimal("0.40"), Decimal("0.60")} if is_flexible else {0})
    assert metered.agrees() == [(True, 26_500)]


@pytest.mark.parametrize("is_seen_late", [False, True])
def test_change_to_a_plan_by_use(
    metered: MeteredHost, extra: PlanPricing, monkeypatch: Any, is_seen_late: bool
) -> None:
    """What an add-on charges does not go with the plan."""
    plan = make_plan("by-use")
    metered.sell(plan)
    subscription = add_item(subscription=metered.subscribed(), pricing=extra)
    if is_seen_late:
        # Another request has added the price since this one looked.
        monkeypatch.setattr(change, "_check_pricing", lambda *_: None)
    else:
        assert refused(lambda: preview_change(subscription=subscription, plan=plan))
    for at_period_end in (False, True):
        assert refused(
            lambda now=at_period_end: change_subscription(subscription=subscription, plan=plan, at_period_end=now)
        )
    remove_item(item=calls_item())
    change_subscription(subscription=subscription, plan=plan)
    subscription.refresh_from_db()
    assert subscription.plan == plan
