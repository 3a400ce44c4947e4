"""The catalogue learns of something that subscriptions are charged already: they follow, and nobody loses a plan."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.management import call_command

from django_stripe_gateway.gateways.catalogue_values import ProductRequest
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Plan, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.identify import _differing, identify_items
from django_stripe_gateway.subscriptions import (
    active_plan,
    cancel_subscription,
    change_subscription,
    pull_catalogue,
    sync_subscription,
)
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


def kinds() -> dict[str, str]:
    return dict(SubscriptionItem.objects.values_list("price_id", "kind"))


def charged(host: SubscriptionHost, subscription: Subscription) -> list[str]:
    return [item["price"]["id"] for item in host.fake.get(subscription.provider_id)["items"]["data"]]


def add_at_stripe(host: SubscriptionHost, subscription: Subscription, price_id: str) -> None:
    """Let the merchant charge something else beside, in the Dashboard, and hear of it."""
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": price_id}]})
    host.deliver_new()


@pytest.fixture
def concierge(either_host: SubscriptionHost) -> str:
    """Return a price of a dear product that only Stripe knows."""
    product = get_billing_gateway("stripe").create_product(ProductRequest("Concierge"), idempotency_key="concierge")
    return either_host.made_at_stripe(product.product_id, Decimal("100.00"))


def test_pulled__stays_beside_the_plan(either_host: SubscriptionHost, concierge: str) -> None:
    host, basic = either_host, either_host.basic
    mine = host.subscribed()
    add_at_stripe(host, mine, concierge)
    assert kinds() == {basic.stripe_price_id: "plan", concierge: "unknown"}
    pull_catalogue()
    for _look in range(2):
        assert (now(mine).plan, now(mine).pricing, active_plan(host.user)) == (basic.plan, basic, basic.plan)
        assert kinds() == {basic.stripe_price_id: "plan", concierge: "plan"}
        sync_subscription(subscription=now(mine))
    planned = change_subscription(subscription=now(mine), plan=host.premium.plan, at_period_end=True)
    assert planned.scheduled_pricing == host.premium
    change_subscription(subscription=now(mine), plan=host.premium.plan)
    assert charged(host, mine) == [host.premium.stripe_price_id, concierge]
    assert (now(mine).plan, identify_items()) == (host.premium.plan, 0)
    # The seller says what it is.
    Plan.objects.filter(name="Concierge").update(is_add_on=True)
    assert (identify_items(), kinds()[concierge]) == (0, "add_on")


def test_pulled__is_the_plan_where_there_is_none(either_host: SubscriptionHost, concierge: str) -> None:
    mine = either_host.put_on(either_host.subscribed(), concierge)
    assert mine.plan is None
    pull_catalogue()
    assert now(mine).plan == Plan.objects.get(name="Concierge")


def test_pulled_price__is_found(either_host: SubscriptionHost) -> None:
    """Who names it keeps it, and so a trial and an end stay as they are."""
    host = either_host
    PlanPricing.objects.filter(pk=host.basic.pk).update(trial_days=14)
    mine = host.subscribed()
    negotiated = host.made_at_stripe(host.basic.stripe_product_id, Decimal("18.00"))
    mine = host.put_on(mine, negotiated)
    assert (mine.plan, mine.pricing) == (host.basic.plan, None)
    cancel_subscription(subscription=now(mine))
    pull_catalogue()
    PlanPricing.objects.filter(stripe_price_id=negotiated).update(is_per_seat=True)
    pricing = PlanPricing.objects.get(stripe_price_id=negotiated)
    assert now(mine).pricing == pricing
    # Nobody has looked again yet.
    Subscription.objects.update(pricing=None)
    changed = change_subscription(subscription=now(mine), pricing=pricing, quantity=3)
    assert (changed.quantity, changed.status, changed.cancel_at_period_end) == (3, "trialing", True)
    assert sync_subscription(subscription=now(mine)).pricing == pricing


def test_plan_that_is_an_add_on_now(either_host: SubscriptionHost) -> None:
    """Who pays for a plan beside it has that."""
    host, mine = either_host, either_host.subscribed()
    support = host.sell("support", Decimal("115.00"))
    add_at_stripe(host, mine, support.stripe_price_id or "")
    assert now(mine).plan == support.plan
    Plan.objects.filter(pk=support.plan_id).update(is_add_on=True)
    # Before anybody has looked again, a change is of the plan too.
    changed = change_subscription(subscription=now(mine), plan=host.premium.plan)
    assert changed.plan == host.premium.plan
    assert charged(host, mine) == [host.premium.stripe_price_id, support.stripe_price_id]
    Plan.objects.filter(pk=support.plan_id).update(is_add_on=False)
    assert (identify_items(), now(mine).plan, kinds()[support.stripe_price_id]) == (0, host.premium.plan, "plan")


@pytest.mark.parametrize("heals", ["reconcile", "sync"])
def test_price_that_moves_to_another_plan(host: SubscriptionHost, heals: str) -> None:
    other = host.sell("other", Decimal("33.00"))
    mine = host.put_on(host.subscribed(), other.stripe_price_id)
    assert now(mine).plan == other.plan
    PlanPricing.objects.filter(pk=other.pk).update(plan=host.premium.plan)
    if heals == "sync":
        sync_subscription(subscription=now(mine))
    else:
        call_command("reconcile")
    assert (now(mine).plan, now(mine).pricing) == (host.premium.plan, other)


def test_product_that_is_learned_of(host: SubscriptionHost) -> None:
    """A price is learned of after somebody has it."""
    product, subscription = host.basic.stripe_product_id, host.subscribed()
    price_id = host.made_at_stripe(product, Decimal("18.00"))
    PlanPricing.objects.filter(pk=host.basic.pk).update(stripe_product_id="")
    subscription = host.put_on(subscription, price_id)
    assert (subscription.plan, identify_items()) == (None, 0)
    PlanPricing.objects.filter(pk=host.basic.pk).update(stripe_product_id=product)
    assert (identify_items("eu"), identify_items(), identify_items()) == (0, 1, 0)
    subscription.refresh_from_db()
    assert (subscription.plan, subscription.pricing) == (host.basic.plan, None)
    # A product that two plans share names none of them.
    PlanPricing.objects.filter(pk=host.premium.pk).update(stripe_product_id=product)
    assert (identify_items(), now(subscription).plan, _differing().count()) == (1, None, 0)


def test_pulled__what_is_scheduled(either_host: SubscriptionHost, concierge: str) -> None:
    """Who will have a plan is not sold it a second time."""
    host = either_host
    mine = host.subscribed()
    host.fake.schedule_subscription(mine.provider_id, [{"items": [{"price": concierge, "quantity": 1}]}])
    host.deliver_new()
    assert (now(mine).scheduled_price_id, now(mine).scheduled_pricing) == (concierge, None)
    pull_catalogue()
    pricing = PlanPricing.objects.get(stripe_price_id=concierge)
    assert (now(mine).scheduled_pricing, now(mine).plan, identify_items()) == (pricing, host.basic.plan, 0)
    PlanPricing.objects.update(is_public=True)
    refused = host.post("subscribe", {"plan_id": pricing.plan_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    # The price becomes another plan's.
    PlanPricing.objects.filter(pk=pricing.pk).update(stripe_price_id="price_moved")
    PlanPricing.objects.filter(pk=host.premium.pk).update(stripe_price_id=concierge)
    assert (identify_items(), now(mine).scheduled_pricing, identify_items()) == (1, host.premium, 0)
