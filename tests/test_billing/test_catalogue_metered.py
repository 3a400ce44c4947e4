"""Prices by use, and lookup keys: pushed, replaced and compared, in both generations of Stripe's API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from django_stripe_gateway import exceptions
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.catalogue.drift import find_drift
from django_stripe_gateway.services.catalogue.publish import push_plan, replace_pricing
from django_stripe_gateway.services.catalogue.rows import store_edited_row
from tests.billing_factories import make_plan, make_pricing
from tests.fake_stripe.server import FakeStripe
from tests.test_billing.catalogue_shop import CatalogueShop, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["current", "legacy"])
def stripe(request: pytest.FixtureRequest, stripe_server: FakeStripe, settings: Any) -> FakeStripe:
    """Return Stripe in each generation of its API."""
    stripe_server.generation = request.param
    if request.param == "legacy":
        settings.STRIPE_GATEWAY_API_VERSION = "2024-06-20"
    return stripe_server


@pytest.fixture
def plan(stripe: FakeStripe) -> Plan:
    """Return a plan that Stripe does not have."""
    return make_plan("gold", name="Gold")


def by_use(plan: Plan, **fields: Any) -> PlanPricing:
    values = {"amount": Decimal("0.0004"), "usage_type": "metered", "metric": "calls", "stripe_price_id": None}
    return make_pricing(plan, **values | fields)


def named(plan: Plan, **fields: Any) -> PlanPricing:
    return make_pricing(plan, stripe_price_id=None, lookup_key="gold", **fields)


def problems() -> list[str]:
    return [drift.problem for drift in find_drift(variant="stripe")]


def keys(stripe: FakeStripe) -> dict[str, str]:
    """Return the lookup keys at Stripe and whose they are."""
    return {price["lookup_key"]: price["id"] for price in stripe.all("price") if price["lookup_key"]}


def test_metered(stripe: FakeStripe, plan: Plan) -> None:
    rows = [by_use(plan), by_use(plan, interval="year"), make_pricing(plan, stripe_price_id=None)]
    kinds = [step.kind for step in push_plan(plan=plan)]
    assert kinds == ["create_product", "create_price", "create_meter", "create_price", "create_price"]
    (meter,) = stripe.all("billing.meter")
    assert (meter["event_name"], meter["default_aggregation"]) == ("calls", {"formula": "sum"})
    for row in rows[:2]:
        row.refresh_from_db()
        price = stripe.get(row.stripe_price_id or "")
        assert (price["unit_amount"], price["unit_amount_decimal"]) == (None, "0.04")
        assert (price["recurring"]["usage_type"], price["recurring"]["meter"]) == ("metered", meter["id"])
        assert (row.amount, row.meter_id) == (Decimal("0.0004"), meter["id"])
    assert push_plan(plan=plan) == []
    assert problems() == []


def test_metered__meter_is_there(stripe: FakeStripe, plan: Plan, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls"}
    gateway: Any = get_billing_gateway("stripe")
    params = {"display_name": "Calls", "event_name": "api_calls", "default_aggregation": {"formula": "sum"}}
    meter = gateway.v1.billing.meters.create(params=params)
    row = by_use(plan, amount=Decimal("1.50"))
    push_plan(plan=plan)
    row.refresh_from_db()
    assert row.meter_id == meter.id
    assert len(stripe.all("billing.meter")) == 1
    assert stripe.get(row.stripe_price_id or "")["unit_amount"] == 150


def test_metered__licensed_before(stripe: FakeStripe, plan: Plan) -> None:
    row = make_pricing(plan, stripe_price_id=None)
    push_plan(plan=plan)
    PlanPricing.objects.filter(pk=row.pk).update(usage_type="metered", metric="calls")
    assert problems() == ["costs 20.00 USD / month at Stripe"]
    push_plan(plan=plan)
    row.refresh_from_db()
    new = PlanPricing.objects.get(is_active=True)
    assert (row.usage_type, row.metric, row.is_active) == ("licensed", "", False)
    assert (new.usage_type, new.metric) == ("metered", "calls")
    assert [price["active"] for price in stripe.all("price")] == [False, True]
    assert problems() == []


def test_metered__another_amount(stripe: FakeStripe, plan: Plan) -> None:
    row = by_use(plan)
    push_plan(plan=plan)
    new = replace_pricing(pricing=row, amount=Decimal("0.00025"))
    assert (new.amount, new.metric, new.usage_type) == (Decimal("0.00025"), "calls", "metered")
    assert stripe.get(new.stripe_price_id or "")["unit_amount_decimal"] == "0.025"
    with pytest.raises(exceptions.InvalidAmount, match="8 decimals"):
        replace_pricing(pricing=new, amount=Decimal("0.000000001"))


def test_metered__another_metric(stripe: FakeStripe, plan: Plan) -> None:
    by_use(plan, lookup_key="calls")
    push_plan(plan=plan)
    row = PlanPricing.objects.get()
    with transaction.atomic():
        row.metric = "minutes"
        new = store_edited_row(row, ["metric"])
    push_plan(plan=plan)
    new.refresh_from_db()
    row.refresh_from_db()
    assert (row.metric, row.is_active, new.metric) == ("calls", False, "minutes")
    assert new.meter_id not in ("", row.meter_id)
    assert keys(stripe) == {"calls": new.stripe_price_id}


@pytest.mark.parametrize("kind", ["error_500_before", "reset_after"])
def test_meter__unknown(stripe: FakeStripe, plan: Plan, kind: Any) -> None:
    by_use(plan)
    stripe.fault("POST", "/v1/billing/meters", kind=kind)
    with pytest.raises(exceptions.ProviderUnavailable):
        push_plan(plan=plan)
    stripe.forget_idempotency_keys()
    push_plan(plan=plan)
    assert (len(stripe.all("billing.meter")), len(stripe.all("price"))) == (1, 1)
    assert not CatalogueOperation.objects.pending().exists()


def test_key(stripe: FakeStripe, plan: Plan) -> None:
    row = named(plan)
    push_plan(plan=plan)
    row.refresh_from_db()
    assert keys(stripe) == {"gold": row.stripe_price_id}
    new = replace_pricing(pricing=row, amount=Decimal(30))
    assert keys(stripe) == {"gold": new.stripe_price_id}
    assert problems() == []
    PlanPricing.objects.filter(pk=new.pk).update(lookup_key="golden")
    assert problems() == ["its lookup key at Stripe is gold"]
    assert [step.kind for step in push_plan(plan=plan)] == ["set_lookup_key"]
    assert keys(stripe) == {"golden": new.stripe_price_id}
    PlanPricing.objects.filter(pk=new.pk).update(lookup_key="")
    push_plan(plan=plan)
    assert keys(stripe) == {}


def test_key__passes_on_when_an_answer_is_lost(stripe: FakeStripe, plan: Plan) -> None:
    row = named(plan)
    push_plan(plan=plan)
    stripe.fault("POST", "/v1/prices", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        replace_pricing(pricing=row, amount=Decimal(30))
    stripe.forget_idempotency_keys()
    push_plan(plan=plan)
    new = PlanPricing.objects.get(is_active=True)
    assert keys(stripe) == {"gold": new.stripe_price_id}
    assert len(stripe.all("price")) == 2


def test_key__of_two_prices_changed_over(stripe: FakeStripe, plan: Plan) -> None:
    first, second = named(plan), make_pricing(plan, stripe_price_id=None, lookup_key="yearly", interval="year")
    push_plan(plan=plan)
    PlanPricing.objects.filter(pk=first.pk).update(lookup_key="yearly")
    PlanPricing.objects.filter(pk=second.pk).update(lookup_key="gold")
    push_plan(plan=plan)
    first.refresh_from_db()
    second.refresh_from_db()
    assert keys(stripe) == {"yearly": first.stripe_price_id, "gold": second.stripe_price_id}


def test_key__of_a_stranger(stripe: FakeStripe, plan: Plan) -> None:
    gateway: Any = get_billing_gateway("stripe")
    product = gateway.v1.products.create(params={"name": "Other"})
    params = {"product": product.id, "currency": "usd", "unit_amount": 100, "lookup_key": "gold"}
    stranger = gateway.v1.prices.create(params={**params, "recurring": {"interval": "month"}})
    named(plan)
    with pytest.raises(exceptions.ProviderError, match="already uses that lookup key"):
        push_plan(plan=plan)
    assert keys(stripe) == {"gold": stranger.id}


@pytest.mark.localstripe
def test_localstripe(fresh_localstripe: str) -> None:
    plan = make_plan("gold")
    by_use(plan)
    row = named(plan)
    with pytest.raises(exceptions.UnsupportedByGateway, match="localstripe does not know metered prices"):
        push_plan(plan=plan)
    (price,) = CatalogueShop().prices("gold")
    row.refresh_from_db()
    assert price.price_id == row.stripe_price_id
    PlanPricing.objects.filter(usage_type="metered").update(is_active=False)
    assert push_plan(plan=plan) == []
    assert "are the same" in run("sync_plans")
