"""What was made at Stripe is taken over and offered to nobody, in both generations of its API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Plan, PlanPricing, SubscriptionItem
from django_stripe_gateway.services.catalogue.drift import find_drift
from tests.test_billing.catalogue_shop import run
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def stripe() -> Any:
    """Return the services of API v1."""
    gateway: Any = get_billing_gateway("stripe")
    return gateway.v1


def make_price(product_id: str, **params: Any) -> str:
    """Make a price in the Dashboard."""
    recurring = {"interval": "month", **params.pop("recurring", {})}
    values = {"product": product_id, "currency": "usd", "recurring": recurring} | params
    if "unit_amount_decimal" not in values and "billing_scheme" not in values:
        values.setdefault("unit_amount", 1500)
    return str(stripe().prices.create(params=values).id)


def make_product(name: str) -> str:
    return str(stripe().products.create(params={"name": name}).id)


def offered() -> dict[str, list[str]]:
    """Return what a visitor sees."""
    plans = APIClient().get("/api/v1/subscriptions/plans/").json()["results"]
    return {plan["slug"]: [price["amount"] for price in plan["pricing"]] for plan in plans}


def row(price_id: str) -> PlanPricing:
    return PlanPricing.objects.get(stripe_price_id=price_id)


def test_negotiated_price(either_host: SubscriptionHost) -> None:
    PlanPricing.objects.update(is_default=True)
    made = make_price(either_host.premium.stripe_product_id, lookup_key="deal")
    out = run("sync_plans", "--pull", "--check")
    assert f"price 15.00 USD / month added, not public ({made})" in out
    found = row(made)
    assert (found.plan.slug, found.is_active, found.is_public, found.is_default) == ("premium", True, False, False)
    assert found.lookup_key == "deal"
    assert offered() == {"basic": ["20.00"], "premium": ["50.00"]}
    assert "changed  0" in run("sync_plans", "--push", "--check")
    assert either_host.fake.get(made)["active"]
    found.is_public = True
    found.save()
    assert offered()["premium"] == ["15.00", "50.00"]


def test_negotiated_price__of_a_plan_that_is_not_sold(either_host: SubscriptionHost) -> None:
    made = make_price(either_host.premium.stripe_product_id)
    run("sync_plans", "--pull")
    Plan.objects.filter(slug="premium").update(is_active=False)
    PlanPricing.objects.filter(pk=either_host.premium.pk).update(is_active=False)
    stripe().prices.update(either_host.premium.stripe_price_id, params={"active": False})
    assert find_drift(variant="stripe") == []
    assert "changed  0" in run("sync_plans", "--pull")
    assert not Plan.objects.get(slug="premium").is_active
    run("sync_plans", "--push")
    assert either_host.fake.get(made)["active"]


def test_product(either_host: SubscriptionHost) -> None:
    make_price(make_product("Deal for Acme"))
    run("sync_plans", "--pull", "--check")
    assert Plan.objects.get(slug="deal-for-acme").is_active
    assert "deal-for-acme" not in offered()
    PlanPricing.objects.filter(plan__slug="deal-for-acme").update(is_public=True)
    assert offered()["deal-for-acme"] == ["15.00"]


def test_put_on_sale_again(either_host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(plan__slug="premium").update(is_active=False, is_default=True)
    assert "price 50.00 USD / month activated, not public" in run("sync_plans", "--pull", "--check")
    assert "premium" not in offered()
    assert not row(either_host.premium.stripe_price_id or "").is_default


def test_unknown_item(either_host: SubscriptionHost) -> None:
    subscription = either_host.subscribed(either_host.premium)
    foreign = make_price(make_product("Portal"))
    (item,) = subscription.items.all()
    change = {"items": [{"id": item.provider_id, "price": foreign}], "proration_behavior": "none"}
    stripe().subscriptions.update(subscription.provider_id, params=change)
    either_host.deliver_new()
    subscription.refresh_from_db()
    assert (subscription.plan, SubscriptionItem.objects.get().kind) == (None, "unknown")
    assert "portal: plan made of" in run("sync_plans", "--pull", "--dry-run")
    subscription.refresh_from_db()
    assert subscription.plan is None
    run("sync_plans", "--pull")
    subscription.refresh_from_db()
    assert (subscription.plan, subscription.pricing) == (Plan.objects.get(slug="portal"), row(foreign))
    assert SubscriptionItem.objects.get().kind == "plan"


def test_price_without_its_product(either_host: SubscriptionHost) -> None:
    """By the product, the price of one customer finds the plan."""
    known = PlanPricing.objects.filter(pk=either_host.premium.pk)
    product = known.get().stripe_product_id
    known.update(stripe_product_id="")
    run("sync_plans", "--pull")
    assert known.get().stripe_product_id == product
    negotiated = make_price(product, unit_amount=4000)
    assert either_host.put_on(either_host.subscribed(), negotiated).plan == either_host.premium.plan


def test_unknown_item__reconciled(either_host: SubscriptionHost) -> None:
    subscription = either_host.subscribed(either_host.premium)
    known = PlanPricing.objects.filter(pk=either_host.premium.pk)
    known.update(stripe_price_id="price_other", stripe_product_id="prod_other")
    SubscriptionItem.objects.update(kind="unknown", plan=None, pricing=None)
    type(subscription).objects.update(plan=None, pricing=None)
    assert "found their plan" not in run("reconcile")
    known.update(stripe_price_id=subscription.price_id)
    assert "items of subscriptions: changed 1 found their plan or price" in run("reconcile")
    subscription.refresh_from_db()
    assert subscription.pricing == either_host.premium
    assert "found their plan" not in run("reconcile")


def test_metered(either_host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls"}
    meters = [
        stripe().billing.meters.create(
            params={"display_name": name, "event_name": name, "default_aggregation": {"formula": "sum"}}
        )
        for name in ("api_calls", "bytes")
    ]
    product = make_product("API")
    ids = [
        make_price(product, unit_amount_decimal="0.04", recurring={"usage_type": "metered", "meter": meter.id})
        for meter in meters
    ]
    run("sync_plans", "--pull", "--check")
    found = [row(price_id) for price_id in ids]
    assert [(one.metric, one.amount, one.usage_type) for one in found] == [
        ("calls", Decimal("0.0004"), "metered"),
        ("bytes", Decimal("0.0004"), "metered"),
    ]
    assert [one.meter_id for one in found] == [meter.id for meter in meters]
    assert "changed  0" in run("sync_plans", "--push", "--check")


def test_what_is_no_fixed_amount(either_host: SubscriptionHost) -> None:
    product = either_host.premium.stripe_product_id
    tiers = [{"up_to": 5, "unit_amount": 100}, {"up_to": "inf", "unit_amount": 50}]
    make_price(product, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    make_price(product, transform_quantity={"divide_by": 10, "round": "up"})
    make_price(product, unit_amount_decimal="0.5")
    stripe().prices.create(params={"product": product, "currency": "usd", "unit_amount": 100})
    out = run("sync_plans", "--pull", "--check")
    assert "changed  0" in out
    assert PlanPricing.objects.count() == 2


def test_lookup_key(either_host: SubscriptionHost) -> None:
    price_id = either_host.premium.stripe_price_id or ""
    stripe().prices.update(price_id, params={"lookup_key": "premium"})
    assert [drift.problem for drift in find_drift(variant="stripe")] == ["its lookup key at Stripe is premium"]
    run("sync_plans", "--pull", "--check")
    assert row(price_id).lookup_key == "premium"


def test_seed__leaves_what_was_negotiated(either_host: SubscriptionHost) -> None:
    run("seed_subscriptions")
    sold = PlanPricing.objects.get(plan__slug="day-pass")
    made = make_price(sold.stripe_product_id, recurring={"interval": "day"}, unit_amount=300)
    run("sync_plans", "--pull")
    run("seed_subscriptions", "--day_pass_amount", "6")
    assert (row(made).is_active, row(made).is_public) == (True, False)
    assert either_host.fake.get(made)["active"]
    new = PlanPricing.objects.get(plan__slug="day-pass", is_active=True, is_public=True)
    assert (new.amount, new.is_default) == (Decimal(6), True)
    sold.refresh_from_db()
    assert (sold.is_active, sold.is_default) == (False, False)
