"""What a plan charges by use comes with it: whoever has the plan is charged for what they use."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import InvalidInput, ProviderUnavailable
from django_stripe_gateway.models import BillingOperation, PlanPricing, Subscription
from django_stripe_gateway.services.catalogue.rows import succeed_row
from django_stripe_gateway.services.subscriptions.add_items import remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.metered_host import MeteredHost, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(metered: MeteredHost) -> PlanPricing:
    """Return the plan's own price of its calls, which customers do not add themselves."""
    PlanPricing.objects.filter(pk=metered.calls.pk).update(may_be_added=False)
    metered.calls.refresh_from_db()
    return metered.calls


def charged(host: SubscriptionHost, subscription: Subscription) -> set[str]:
    """Return the prices that Stripe charges in a subscription."""
    items = host.fake.get(subscription.provider_id)["items"]["data"]
    return {item["price"]["id"] for item in items}


def test_asked_by_a_customer(metered: MeteredHost, calls: PlanPricing) -> None:
    host = metered.host
    answer = host.post("subscribe", {"plan_id": host.basic.plan_id})
    assert answer.status_code == 201, answer.json()
    made = Subscription.objects.get()
    host.fake.customer_pays(made.provider_id)
    host.deliver_new()
    assert charged(host, made) == {host.basic.stripe_price_id, calls.stripe_price_id}
    usage.consume(metered.user, "calls", 100_000)
    send()
    metered.renew(made)
    assert metered.charges(calls) == [Decimal("40.00")]


def test_page(metered: MeteredHost, calls: PlanPricing) -> None:
    host = metered.host
    host.post("subscribe", {"plan_id": host.basic.plan_id, "mode": "checkout"})
    made = Subscription.objects.get()
    host.fake.complete_checkout(made.checkout_id)
    host.deliver_new()
    made.refresh_from_db()
    assert charged(host, made) == {host.basic.stripe_price_id, calls.stripe_price_id}


def test_named_too__is_one_item(metered: MeteredHost, calls: PlanPricing) -> None:
    made = metered.subscribed(add_ons=[(calls, 1)])
    assert charged(metered.host, made) == {metered.host.basic.stripe_price_id, calls.stripe_price_id}


def test_asked_again_before_it_is_paid(metered: MeteredHost, calls: PlanPricing) -> None:
    host = metered.host
    first = subscribe(owner=metered.user, plan=host.basic.plan, pricing=host.basic)
    again = subscribe(owner=metered.user, plan=host.basic.plan, pricing=host.basic, add_ons=[(calls, 1)])
    assert again.pk == first.pk


@pytest.mark.parametrize("change", [{"may_be_added": True}, {"is_public": False}, {"is_active": False}])
def test_what_comes_with_nothing(metered: MeteredHost, calls: PlanPricing, change: dict[str, Any]) -> None:
    PlanPricing.objects.filter(pk=calls.pk).update(**change)
    assert charged(metered.host, metered.subscribed()) == {metered.host.basic.stripe_price_id}


@pytest.mark.parametrize("is_ending", [False, True])
@pytest.mark.usefixtures("one_per_plan")
def test_charged_in_another_subscription__is_refused(metered: MeteredHost, calls: PlanPricing, is_ending: bool) -> None:
    """That one may end, and nothing would charge the use any more."""
    host = metered.host
    metered.sell(host.premium.plan, may_be_added=False)
    running = metered.subscribed()
    if is_ending:
        cancel_subscription(subscription=running)
    answer = host.post("subscribe", {"plan_id": host.premium.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_metered")
    other = subscribe(owner=metered.user, plan=(free := host.sell("free", Decimal(0))).plan, pricing=free)
    answer = host.post("change", {"subscription_id": other.provider_id, "plan_id": host.premium.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_metered")


def test_first_payment_that_is_given_up(metered: MeteredHost, calls: PlanPricing) -> None:
    host = metered.host
    of_premium = metered.sell(host.premium.plan, may_be_added=False)
    unpaid = subscribe(owner=metered.user, plan=host.basic.plan, pricing=host.basic)
    taken = metered.subscribed(host.premium)
    unpaid.refresh_from_db()
    assert unpaid.has_ended
    assert charged(host, taken) == {host.premium.stripe_price_id, of_premium.stripe_price_id}


def test_price_that_is_replaced__until_the_next_one_is_there(metered: MeteredHost, calls: PlanPricing) -> None:
    succeed_row(calls, {"amount": Decimal("0.0005")})
    assert charged(metered.host, metered.subscribed()) == {metered.host.basic.stripe_price_id, calls.stripe_price_id}


def test_several_prices_of_a_metric(metered: MeteredHost, calls: PlanPricing) -> None:
    yearly = metered.sell(metered.host.basic.plan, may_be_added=False, interval="year")
    assert charged(metered.host, metered.subscribed()) == {metered.host.basic.stripe_price_id, calls.stripe_price_id}
    yearly_plan = metered.host.sell("basic", Decimal("200.00"), interval="year")
    subscription = Subscription.objects.get()
    remove_item(item=subscription.items.get(kind="metered"))
    subscription.refresh_from_db()
    change_subscription(subscription=subscription, pricing=yearly_plan)
    assert charged(metered.host, subscription) == {yearly_plan.stripe_price_id}, "the same plan brings nothing anew"
    assert yearly.is_active


def test_ambiguous(metered: MeteredHost, calls: PlanPricing) -> None:
    metered.sell(metered.host.basic.plan, may_be_added=False)
    with pytest.raises(InvalidInput) as refused:
        metered.subscribed()
    assert refused.value.code == "ambiguous_pricing"
    assert f"pricing_id {calls.pk}" in refused.value.detail
    assert not Subscription.objects.exists()
    metered.subscribed(add_ons=[(calls, 1)])


def test_change_of_plan(metered: MeteredHost) -> None:
    host = metered.host
    calls = metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed()
    preview = preview_change(subscription=subscription, plan=host.premium.plan)
    assert calls.stripe_price_id in {line.price_id for line in preview.lines}
    change_subscription(subscription=subscription, plan=host.premium.plan)
    assert charged(host, subscription) == {host.premium.stripe_price_id, calls.stripe_price_id}


def test_change_of_plan__use_that_is_charged_already(metered: MeteredHost, calls: PlanPricing) -> None:
    host = metered.host
    metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed()
    change_subscription(subscription=subscription, plan=host.premium.plan)
    assert charged(host, subscription) == {host.premium.stripe_price_id, calls.stripe_price_id}


def test_change_at_the_periods_end(metered: MeteredHost) -> None:
    host = metered.host
    calls = metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed()
    preview = preview_change(subscription=subscription, plan=host.premium.plan, at_period_end=True)
    assert calls.stripe_price_id in {line.price_id for line in preview.lines}
    for _ in range(2):
        scheduled = change_subscription(
            subscription=subscription, plan=host.premium.plan, at_period_end=True, idempotency_key="once"
        )
    assert scheduled.scheduled_pricing == host.premium
    metered.renew(scheduled)
    scheduled.refresh_from_db()
    assert scheduled.plan == host.premium.plan
    assert charged(host, scheduled) == {host.premium.stripe_price_id, calls.stripe_price_id}


def test_planned_again__after_a_refusal(metered: MeteredHost) -> None:
    host = metered.host
    calls = metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed()
    change_subscription(subscription=subscription, plan=host.premium.plan, at_period_end=True)
    coupon = host.fake.coupon(percent_off=50, duration="forever")["id"]
    host.fake.promotion_code(coupon, "NEW", restrictions={"first_time_transaction": True})
    refused = host.post("discount", {"subscription_id": subscription.provider_id, "promotion_code": "NEW"})
    assert refused.status_code == 400, refused.json()
    metered.renew(subscription)
    assert charged(host, subscription) == {host.premium.stripe_price_id, calls.stripe_price_id}


@pytest.fixture
def payg(metered: MeteredHost) -> PlanPricing:
    """Return the only price of a plan whose use alone is charged."""
    price = metered.host.sell("payg", Decimal("1.00"))
    plan = price.plan
    price.delete()
    return metered.sell(plan, may_be_added=False)


@pytest.mark.parametrize("at_period_end", [False, True])
def test_change_to_a_plan_that_charges_that_use_alone(
    metered: MeteredHost, payg: PlanPricing, at_period_end: bool
) -> None:
    host = metered.host
    metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed(host.premium)
    body = {"subscription_id": subscription.provider_id, "plan_id": payg.plan_id, "at_period_end": at_period_end}
    preview = preview_change(subscription=subscription, plan=payg.plan, at_period_end=at_period_end)
    assert payg.stripe_price_id in {line.price_id for line in preview.lines}
    answer = host.post("change", body)
    assert answer.status_code == 200, answer.json()
    if at_period_end:
        metered.renew(subscription)
    assert charged(host, subscription) == {payg.stripe_price_id}


def test_change_that_waits__is_asked_for_again(metered: MeteredHost, payg: PlanPricing, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "always_invoice"
    host = metered.host
    of_premium = metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed()
    host.change_card(subscription, "pm_card_authenticationRequired")
    for _ in range(2):
        answer = host.post("change", {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id})
        assert answer.status_code == 200, answer.json()
        host.deliver_new()
    preview = preview_change(subscription=Subscription.objects.get(pk=subscription.pk), plan=payg.plan)
    assert preview.lines
    host.fake.customer_pays(subscription.provider_id)
    host.deliver_new()
    assert charged(host, subscription) == {host.premium.stripe_price_id, of_premium.stripe_price_id}


def made_and_unheard(host: SubscriptionHost, subscription: Subscription, **asked: Any) -> None:
    """Ask for a change that Stripe makes, and of which it says that something went wrong."""
    host.fake.fault("POST", f"/v1/subscriptions/{subscription.provider_id}", kind="error_500_after", times=3)
    with pytest.raises(ProviderUnavailable):
        change_subscription(subscription=subscription, **asked)
    host.fake.clear_faults()
    subscription.refresh_from_db()


def test_repeat__of_a_change_that_was_made(metered: MeteredHost) -> None:
    host = metered.host
    calls = metered.sell(host.premium.plan, may_be_added=False)
    # Of the plan that is left two prices go.
    seats = host.made_at_stripe(host.basic.stripe_product_id, Decimal("3.00"))
    subscription = metered.subscribed()
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": seats, "quantity": 4}]})
    host.deliver_new()
    asked = {"plan": host.premium.plan, "idempotency_key": "k"}
    made_and_unheard(host, subscription, **asked)
    assert change_subscription(subscription=subscription, **asked).plan == host.premium.plan
    assert charged(host, subscription) == {host.premium.stripe_price_id, calls.stripe_price_id}
    assert BillingOperation.objects.get(kind="change").state == "succeeded"


def test_repeat__of_a_change_that_waits_for_its_payment(metered: MeteredHost) -> None:
    host = metered.host
    calls = metered.sell(host.premium.plan, may_be_added=False)
    subscription = metered.subscribed()
    host.change_card(subscription, "pm_card_authenticationRequired")
    asked = {"plan": host.premium.plan, "proration": "always_invoice", "idempotency_key": "k"}
    made_and_unheard(host, subscription, **asked)
    assert change_subscription(subscription=subscription, **asked).has_pending_update
    # What the customer may be about to pay stands.
    assert [invoice["status"] for invoice in host.fake.all("invoice")] == ["paid", "open"]
    host.fake.customer_pays(subscription.provider_id)
    host.deliver_new()
    assert charged(host, subscription) == {host.premium.stripe_price_id, calls.stripe_price_id}


def test_repeat__while_another_change_waits(metered: MeteredHost) -> None:
    """The change that waits is not the one that is asked for, which Stripe has not heard of."""
    host = metered.host
    gold = host.sell("gold", Decimal("90.00"))
    subscription = metered.subscribed()
    host.change_card(subscription, "pm_card_authenticationRequired")
    for pricing, kind in [(host.premium, None), (gold, "error_500_before")]:
        if kind:
            host.fake.fault("POST", f"/v1/subscriptions/{subscription.provider_id}", kind=kind, times=3)
        asked = {"pricing": pricing, "proration": "always_invoice", "idempotency_key": pricing.stripe_price_id}
        with pytest.raises(ProviderUnavailable) if kind else contextlib.nullcontext():
            change_subscription(subscription=subscription, **asked)
        subscription.refresh_from_db()
    host.fake.clear_faults()
    waits = change_subscription(subscription=subscription, **asked)
    assert gold.stripe_price_id in waits.pending_prices.values()
