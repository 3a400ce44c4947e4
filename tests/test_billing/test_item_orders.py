"""In whatever order the items of a subscription come, it is one and the same subscription."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Plan, PlanLimit, Subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.plan_access import has_plan
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from tests.test_billing.host import SubscriptionHost

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SOME = settings(
    max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
#: What can be charged: the plan that it makes of the subscription, where it alone does. The dearer plan comes first,
#: and of one plan what the catalogue sells, though it is the cheaper.
PLANS = {"premium": "premium", "basic": "basic", "negotiated": "basic"}
CHARGED = (*PLANS, "add_on", "metered", "stranger")

charges = st.lists(st.sampled_from(CHARGED), min_size=1, max_size=4, unique=True)
orders = st.randoms(use_true_random=False)
numbers = itertools.count()


class Catalogue:
    """A price of each kind at Stripe, of which the site knows what a site knows."""

    def __init__(self, host: SubscriptionHost) -> None:
        basic = host.basic.stripe_product_id
        stranger = host.sell("stranger", Decimal("1.00"))
        Plan.objects.get(slug="stranger").pricing.all().delete()
        metered = host.sell_metered("basic", Decimal("0.10"), product_id=basic)
        self.prices = {
            "premium": host.premium.stripe_price_id,
            "basic": host.basic.stripe_price_id,
            "negotiated": host.made_at_stripe(basic, Decimal("35.00")),
            "add_on": host.sell("support", Decimal("210.00"), is_add_on=True).stripe_price_id,
            "metered": metered.stripe_price_id,
            "stranger": host.made_at_stripe(stranger.stripe_product_id, Decimal("99.00")),
        }
        self.names = {price_id: name for name, price_id in self.prices.items()}
        self.target = host.sell("target", Decimal("60.00"))
        for plan, limit in ((host.basic.plan, 10), (host.premium.plan, 50)):
            PlanLimit.objects.create(plan=plan, metric="minutes", limit=limit, period="day")


def main_of(names: Sequence[str]) -> str:
    """Return which of some charges is the plan, by the rule as it is documented; empty for none."""
    plans = [name for name in PLANS if name in names]
    if plans:
        return plans[0]
    # A meter of a plan names the plan; a single stranger is at least the one thing that can be changed.
    return next((name for name in ("metered", "stranger") if name in names), "")


def expected_kinds(names: Sequence[str]) -> dict[str, str]:
    kinds = {"add_on": "add_on", "metered": "metered", "stranger": "unknown"}
    if main_of(names) == "metered":
        kinds["metered"] = "plan"
    return {name: kinds.get(name, "plan") for name in names}


def plans_of(names: Sequence[str]) -> set[str]:
    """Return the plans that some charges give: a second one counts, a meter of it does not."""
    return {PLANS[name] for name in names if name in PLANS} or ({"basic"} if main_of(names) == "metered" else set())


def subscribed_to(host: SubscriptionHost, customer: Customer, prices: Sequence[str]) -> Subscription:
    """Let the merchant subscribe a customer in the Dashboard, and hear of it."""
    v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    items = [{"price": price} for price in prices]
    made = v1.subscriptions.create({"customer": customer.provider_id, "items": items})
    host.deliver_new()
    return Subscription.objects.get(provider_id=made["id"])


def reordered(host: SubscriptionHost, one: Subscription, order: Any) -> Iterator[Subscription]:
    """Yield the subscription as it is read in some orders of its items, by an event and by a look."""
    for is_event in (True, False):
        ids = [item["id"] for item in host.fake.get(one.provider_id)["items"]["data"]]
        host.fake.reorder_items(one.provider_id, order.sample(ids, len(ids)))
        events = host.new_events()
        if is_event:
            host.deliver(events)
        else:
            sync_subscription(subscription=one)
        yield Subscription.objects.select_related("customer", "plan", "pricing").get(pk=one.pk)


def seen(catalogue: Catalogue, one: Subscription, client: APIClient) -> dict[str, Any]:
    """Return all that the site says of a subscription and of what it gives."""
    owner, limits = one.customer.owner, client.get("/api/v1/subscriptions/me/limits/").json()
    kinds = {catalogue.names[item.price_id]: item.kind for item in one.items.all()}
    return {
        "row": [getattr(one, name) for name in ("plan_id", "pricing_id", "item_id", "price_id", "quantity", "status")],
        "plan": one.plan.slug if one.plan else "",
        "main": catalogue.names.get(one.price_id, ""),
        "kinds": kinds,
        "has": {slug: has_plan(owner, slug) for slug in ("basic", "premium")},
        "limits": {limit["metric"]: limit["limit"] for limit in limits["limits"]},
    }


def test_one_subscription(either_host: SubscriptionHost) -> None:
    host = either_host
    catalogue = Catalogue(host)

    @SOME
    @given(names=charges, order=orders)
    def run(names: list[str], order: Any) -> None:
        owner = get_user_model().objects.create_user(f"owner-{next(numbers)}")
        client = APIClient()
        client.force_authenticate(owner)
        customer = ensure_customer(owner=owner)
        host.fake.customer_changes_card(customer.provider_id, "pm_card_visa")
        one = subscribed_to(host, customer, [catalogue.prices[name] for name in names])
        first = seen(catalogue, one, client)
        main = main_of(names)
        plan = {**PLANS, "metered": "basic"}.get(main, "")
        assert (first["main"], first["plan"], first["kinds"]) == (main, plan, expected_kinds(names))
        assert first["has"] == {slug: slug in plans_of(names) for slug in ("basic", "premium")}
        assert first["limits"] == ({"minutes": {"basic": 10, "premium": 50}[plan]} if plan else {})
        for read in reordered(host, one, order):
            assert seen(catalogue, read, client) == first
            one = read
        if main:
            changes_the_plan_alone(host, catalogue, one, names)

    run()


def changes_the_plan_alone(
    host: SubscriptionHost, catalogue: Catalogue, one: Subscription, names: Sequence[str]
) -> None:
    """Assert what a change to another plan asks of Stripe, at the period's end or now, and what it leaves as it was."""
    before = {item["id"]: item["price"]["id"] for item in host.fake.get(one.provider_id)["items"]["data"]}
    main, target = main_of(names), catalogue.target
    left_prices = {catalogue.prices[name] for name in names if PLANS.get(name, "") == PLANS.get(main) and name != main}
    left = [item_id for item_id, price_id in before.items() if price_id in left_prices]
    after = {item_id: price for item_id, price in before.items() if item_id not in left}
    after |= {one.item_id: target.stripe_price_id}
    planned = change_subscription(subscription=one, plan=target.plan, at_period_end=True)
    phase = host.fake.get(planned.schedule_id)["phases"][-1]
    assert sorted(item["price"] for item in phase["items"]) == sorted(after.values())
    host.fake.forget_requests()
    changed = change_subscription(subscription=planned, plan=target.plan)
    sent = [request.params["items"] for request in host.fake.requests if "items" in request.params]
    removed = [{"id": item_id, "deleted": True} for item_id in sorted(left)]
    assert sent == [[{"id": one.item_id, "price": target.stripe_price_id}, *removed]]
    assert {item["id"]: item["price"]["id"] for item in host.fake.get(one.provider_id)["items"]["data"]} == after
    assert changed.plan == target.plan
