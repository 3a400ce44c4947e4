"""A plan that is charged at several prices, such as seats beside a base fee: one is its own, and a change takes all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.plan_access import has_plan
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import only_one

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seats(either_host: SubscriptionHost) -> str:
    """Return what the seller charges beside the base fee of Premium: so many seats at a price of its product."""
    return either_host.made_at_stripe(either_host.premium.stripe_product_id, Decimal("6.00"))


@pytest.fixture(params=["added", "made at Stripe", "the other way round"])
def premium(request: pytest.FixtureRequest, either_host: SubscriptionHost, seats: str) -> Subscription:
    """Return a subscription to Premium that is charged more for its seats than for its base."""
    host = either_host
    item = {"price": seats, "quantity": 10}
    if request.param == "added":
        one = host.subscribed(host.premium)
        host.change_card(one, "pm_card_visa")
        host.fake.change_subscription(one.provider_id, {"items": [item], "proration_behavior": "always_invoice"})
        host.fake.reorder_items(one.provider_id)
    else:
        customer = ensure_customer(owner=host.user)
        host.fake.customer_changes_card(customer.provider_id, "pm_card_visa")
        items = [{"price": host.premium.stripe_price_id}, item]
        v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
        v1.subscriptions.create(
            {"customer": customer.provider_id, "items": items if request.param == "made at Stripe" else items[::-1]}
        )
    host.deliver_new()
    return only_one()


def charged(host: SubscriptionHost) -> dict[str, int]:
    """Return how many of which prices Stripe charges in the one subscription."""
    return {item["price"]["id"]: item["quantity"] for item in host.fake.all("subscription")[0]["items"]["data"]}


def kinds(subscription: Subscription) -> dict[str, str]:
    """Return the kinds of the stored items, by their prices."""
    return dict(subscription.items.values_list("price_id", "kind"))


def test_the_plan_is_what_the_catalogue_sells(either_host: SubscriptionHost, premium: Subscription, seats: str) -> None:
    host = either_host
    assert (premium.plan, premium.pricing, premium.quantity) == (host.premium.plan, host.premium, 1)
    assert kinds(premium) == {host.premium.stripe_price_id: "plan", seats: "plan"}


def test_change_of_plan(either_host: SubscriptionHost, premium: Subscription, seats: str) -> None:
    host = either_host
    body = {"subscription_id": premium.provider_id, "plan_id": host.basic.plan_id}
    preview = host.post("change", {**body, "preview": True}).json()
    assert host.post("change", body).status_code == 200
    assert charged(host) == {host.basic.stripe_price_id: 1}
    # What was paid for both is given back: of the next invoice, and for what is left of this period.
    assert round(Decimal(preview["total"])) == (20 - 50 - 60) + 20
    host.deliver_new()
    assert kinds(only_one()) == {host.basic.stripe_price_id: "plan"}
    assert not has_plan(host.user, "premium")
    # Nor is there anything in the way of who comes back.
    assert host.post("change", {**body, "plan_id": host.premium.plan_id}).status_code == 200
    assert charged(host) == {host.premium.stripe_price_id: 1}


def test_change_of_plan__at_the_period_end(either_host: SubscriptionHost, premium: Subscription, seats: str) -> None:
    host = either_host
    body = {"subscription_id": premium.provider_id, "plan_id": host.basic.plan_id, "at_period_end": True}
    other = host.sell("other", Decimal("30.00"))
    for pricing in (host.basic, other):
        # Nothing is scheduled yet the first time, and what is scheduled is replaced the second time.
        body["plan_id"] = pricing.plan_id
        assert host.post("change", {**body, "preview": True}).json()["total"] == str(pricing.amount)
        planned = host.post("change", body)
        assert (planned.status_code, charged(host)) == (200, {host.premium.stripe_price_id: 1, seats: 10})
        assert only_one().scheduled_pricing == pricing
    host.fake.advance(days=32)
    host.deliver_new()
    assert charged(host) == {other.stripe_price_id: 1}
    assert kinds(only_one()) == {other.stripe_price_id: "plan"}


def test_another_price_of_the_plan__leaves_the_others(
    either_host: SubscriptionHost, premium: Subscription, seats: str
) -> None:
    host = either_host
    other = host.sell("premium", Decimal("45.00"))
    change_subscription(subscription=premium, pricing=other)
    assert charged(host) == {other.stripe_price_id: 1, seats: 10}
    assert only_one().pricing == other


def test_several_prices_that_are_sold(either_host: SubscriptionHost) -> None:
    """Whichever of them is the plan's own, the plan is charged no more after it."""
    host = either_host
    seat = host.sell("premium", Decimal("6.00"), is_per_seat=True)
    one = host.subscribed(host.premium, pricing_id=host.premium.pk)
    host.change_card(one, "pm_card_visa")
    host.fake.advance(hours=1)
    host.fake.change_subscription(one.provider_id, {"items": [{"price": seat.stripe_price_id, "quantity": 10}]})
    host.deliver_new()
    assert only_one().pricing == host.premium
    change_subscription(subscription=only_one(), plan=host.basic.plan)
    assert charged(host) == {host.basic.stripe_price_id: 1}


def test_what_is_charged_by_use__stays(host: SubscriptionHost) -> None:
    metered = host.sell_metered("premium", Decimal("0.10"), product_id=host.premium.stripe_product_id)
    one = host.subscribed(host.premium, pricing_id=host.premium.pk)
    host.change_card(one, "pm_card_visa")
    host.fake.change_subscription(one.provider_id, {"items": [{"price": metered.stripe_price_id}]})
    host.deliver_new()
    change_subscription(subscription=only_one(), plan=host.basic.plan)
    assert kinds(only_one()) == {host.basic.stripe_price_id: "plan", metered.stripe_price_id: "metered"}
