"""`sync_plans`, against the fake Stripe in both generations of its API and against localstripe."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.catalogue.drift import find_drift
from tests.billing_factories import make_plan, make_pricing
from tests.fake_stripe.server import FakeStripe
from tests.test_billing.catalogue_shop import CatalogueShop, run, seed

pytestmark = pytest.mark.django_db(transaction=True)


class Dashboard:
    """Whoever works in Stripe's Dashboard."""

    def __init__(self) -> None:
        self.gateway: Any = get_billing_gateway("stripe")
        self.is_local = type(self.gateway).__name__.startswith("Local")

    def product(self, name: str, **fields: Any) -> str:
        return str(self.gateway.v1.products.create(params={"name": name, **fields}).id)

    def price(self, product_id: str, amount: int, interval: str = "month") -> str:
        if self.is_local:
            params = {"product": product_id, "amount": amount, "currency": "eur", "interval": interval}
            return str(self.gateway.v1.plans.create(params=params).id)
        params = {
            "product": product_id,
            "unit_amount": amount,
            "currency": "eur",
            "recurring": {"interval": interval},
        }
        return str(self.gateway.v1.prices.create(params=params).id)

    def rename(self, product_id: str, name: str) -> None:
        self.gateway.v1.products.update(product_id, params={"name": name})

    def archive(self, price_id: str) -> None:
        self.gateway.archive_price(price_id, idempotency_key="dashboard")


def problems() -> set[tuple[str, str]]:
    return {(drift.plan, drift.problem) for drift in find_drift(variant="stripe")}


@pytest.fixture
def edited(shop: CatalogueShop) -> Dashboard:
    """Return a Dashboard in which somebody has changed the seeded plans."""
    seed()
    dashboard = Dashboard()
    dashboard.rename(shop.row("free").stripe_product_id, "Starter")
    dashboard.archive(shop.row("day-pass").stripe_price_id or "")
    team = dashboard.product("Team Plan")
    dashboard.price(team, 4900)
    dashboard.price(team, 49000, "year")
    dashboard.price(shop.row("premium").stripe_product_id, 18000)
    return dashboard


def test_report(edited: Dashboard) -> None:
    found = problems()
    assert ("free", "called “Starter” at Stripe") in found
    assert ("day-pass", "archived at Stripe") in found
    assert len([problem for plan, problem in found if not plan and problem.startswith("unknown here")]) == 2
    out = run("sync_plans")
    assert "differences  5" in out
    with pytest.raises(CommandError, match="differ"):
        run("sync_plans", "--check")


def test_pull(edited: Dashboard, shop: CatalogueShop) -> None:
    out = run("sync_plans", "--pull", "--dry-run")
    assert "team-plan: plan made of prod_" in out
    assert not Plan.objects.filter(slug="team-plan").exists()
    before = shop.catalogue
    out = run("sync_plans", "--pull", "--check")
    assert "changed  4" in out
    assert "free: renamed from “Free” to “Starter”" in out
    team = PlanPricing.objects.filter(plan__slug="team-plan").values_list("amount", "currency", "interval", "variant")
    assert set(team) == {(Decimal(49), "EUR", "month", "stripe"), (Decimal(490), "EUR", "year", "stripe")}
    premium = PlanPricing.objects.filter(plan__slug="premium", is_active=True).values_list("amount", "currency")
    assert set(premium) == {(Decimal(200), "USD"), (Decimal(180), "EUR")}
    assert not PlanPricing.objects.filter(plan__slug="day-pass", is_active=True).exists()
    assert shop.plan("free").name == "Starter"
    assert shop.catalogue == before
    assert "changed  0" in run("sync_plans", "--pull")


def test_push(edited: Dashboard, shop: CatalogueShop) -> None:
    assert "free: Stripe: update product" in run("sync_plans", "--push", "--dry-run")
    out = run("sync_plans", "--push")
    assert "changed  2" in out
    assert "day-pass: Stripe: restore price 5.00 USD / day" in out
    assert {plan for plan, _problem in problems()} == {""}
    assert len(shop.prices("day-pass")) == 1
    assert shop.catalogue.products[shop.row("free").stripe_product_id].name == "Free"
    assert "changed  0" in run("sync_plans", "--push")


def test_missing(shop: CatalogueShop) -> None:
    plan = make_plan("gold")
    pricing = make_pricing(plan, stripe_price_id="price_gone", stripe_product_id="prod_gone")
    assert problems() == {("gold", "no product at Stripe"), ("gold", "missing at Stripe")}
    run("sync_plans", "--push")
    pricing.refresh_from_db()
    (price,) = shop.prices("gold")
    assert (price.price_id, price.amount) == (pricing.stripe_price_id, Decimal(20))
    assert problems() == set()
    PlanPricing.objects.update(stripe_price_id="price_gone_again")
    run("sync_plans", "--pull")
    pricing.refresh_from_db()
    assert not pricing.is_active


def test_terms_differ(shop: CatalogueShop) -> None:
    seed()
    row = shop.row("premium")
    PlanPricing.objects.filter(pk=row.pk).update(amount=Decimal(210))
    assert problems() == {("premium", "costs 200.00 USD / month at Stripe")}
    run("sync_plans", "--pull", "--check")
    assert shop.row("premium").amount == Decimal(200)
    PlanPricing.objects.filter(pk=row.pk).update(amount=Decimal(210))
    run("sync_plans", "--push", "--check")
    sold = shop.row("premium")
    assert sold.amount == Decimal(210)
    assert sold != row
    row.refresh_from_db()
    assert (row.amount, row.is_active) == (Decimal(200), False)
    assert [price.price_id for price in shop.prices("premium")] == [sold.stripe_price_id]


def test_pull__product_archived(stripe_server: FakeStripe) -> None:
    seed()
    row = PlanPricing.objects.get(plan__slug="premium")
    Dashboard().gateway.v1.products.update(row.stripe_product_id, params={"active": False})
    assert problems() == {("premium", "archived at Stripe")}
    run("sync_plans", "--pull", "--check")
    row.refresh_from_db()
    assert not row.is_active
    assert row.plan.is_active


def test_pull__plan_is_on_sale(stripe_server: FakeStripe) -> None:
    seed()
    Plan.objects.filter(slug="premium").update(is_active=False)
    assert problems() == {("premium", "on sale at Stripe, but not here")}
    assert "premium: plan activated" in run("sync_plans", "--pull", "--check")


def test_pull__while_another_process_pushes(stripe_server: FakeStripe) -> None:
    seed()
    Plan.objects.update(name="Other")
    CatalogueOperation.objects.update(state="pending", leased_until=timezone.now() + timedelta(minutes=1))
    assert "premium: left alone" in run("sync_plans", "--pull")
    assert set(Plan.objects.values_list("name", flat=True)) == {"Other"}


def test_push__default_price_of_the_dashboard(stripe_server: FakeStripe) -> None:
    seed()
    row = PlanPricing.objects.get(plan__slug="premium")
    params = {"default_price": row.stripe_price_id}
    Dashboard().gateway.v1.products.update(row.stripe_product_id, params=params)
    seed("--premium_amount", "250")
    sold = PlanPricing.objects.get(plan__slug="premium", is_active=True)
    assert stripe_server.get(row.stripe_product_id)["default_price"] == sold.stripe_price_id
    assert not stripe_server.get(row.stripe_price_id or "")["active"]


def test_pull__what_cannot_be_a_plan(stripe_server: FakeStripe) -> None:
    dashboard = Dashboard()
    archived = dashboard.product("Old", active=False)
    dashboard.price(archived, 100)
    dashboard.product("Without prices")
    assert "plans  0" in run("sync_plans", "--pull", "--check")


def test_both_ways() -> None:
    with pytest.raises(CommandError, match="Choose one"):
        run("sync_plans", "--pull", "--push")
