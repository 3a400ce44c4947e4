"""What Stripe refuses, or does not answer, holds up nothing else of a plan and takes nothing out of sale."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import transaction

from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.catalogue.drift import find_drift
from django_stripe_gateway.services.catalogue.publish import archive_pricing, push_plan, replace_pricing
from django_stripe_gateway.services.catalogue.pull import pull_catalogue
from django_stripe_gateway.services.catalogue.rows import lock_plan, store_edited_row, succeed_row
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.billing_factories import make_plan, make_pricing
from tests.factories import make_user
from tests.fake_stripe.server import FakeStripe
from tests.test_billing.catalogue_shop import run, seed
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pricing(stripe_server: FakeStripe) -> PlanPricing:
    """Return a price that Stripe sells, the plan's default."""
    pricing = make_pricing(make_plan("gold"), stripe_price_id=None, is_default=True, lookup_key="gold")
    push_plan(plan=pricing.plan)
    pricing.refresh_from_db()
    return pricing


def refused_price(pricing: PlanPricing) -> PlanPricing:
    """Return a price of the same plan that Stripe refuses, as another program could have written it."""
    return make_pricing(pricing.plan, interval_count=40, stripe_price_id=None)


def test_push__goes_on_after_a_refusal(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    bad = refused_price(pricing)
    added = make_pricing(pricing.plan, currency="EUR", stripe_price_id=None)
    PlanPricing.objects.filter(pk=pricing.pk).update(is_active=False)
    with pytest.raises(ProviderError, match=r"create price .* / 40 months: .* three years"):
        push_plan(plan=pricing.plan)
    added.refresh_from_db()
    assert added.stripe_price_id
    assert not stripe_server.get(pricing.stripe_price_id or "")["active"]
    assert not CatalogueOperation.objects.pending().exists()
    PlanPricing.objects.filter(pk=bad.pk).update(interval_count=4)
    assert [step.kind for step in push_plan(plan=pricing.plan)] == ["create_price"]


def test_push__names_all_refusals(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    refused_price(pricing)
    make_pricing(pricing.plan, amount=Decimal(1_000_000), stripe_price_id=None)
    with pytest.raises(CommandError) as caught:
        run("sync_plans", "--push")
    assert "40 months: " in str(caught.value)
    assert "1000000.00 USD / month: " in str(caught.value)


def test_push__needs_a_product_for_prices(stripe_server: FakeStripe) -> None:
    plan = make_plan("gold", description="x" * 40_001)
    make_pricing(plan, stripe_price_id=None)
    with pytest.raises(ProviderError, match=r"^create product: "):
        push_plan(plan=plan)
    assert stripe_server.take_violations()
    assert not stripe_server.all("price")


def test_push__needs_a_meter_for_its_price(stripe_server: FakeStripe, pricing: PlanPricing, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "x" * 101}
    make_pricing(pricing.plan, usage_type="metered", metric="calls", stripe_price_id=None)
    with pytest.raises(ProviderError, match=r"^create meter") as caught:
        push_plan(plan=pricing.plan)
    assert stripe_server.take_violations()
    assert "create price" not in caught.value.detail


def test_replaced_price__is_sold_until_the_other_is_made(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
    with pytest.raises(ProviderUnavailable):
        replace_pricing(pricing=pricing, amount=Decimal(25))
    assert list(PlanPricing.objects.on_sale()) == [pricing]
    assert PlanPricing.objects.get(pk=pricing.pk).is_default
    assert [found.problem for found in find_drift()] == ["not made at Stripe yet"]
    push_plan(plan=pricing.plan)
    old, new = PlanPricing.objects.order_by("pk")
    assert list(PlanPricing.objects.on_sale()) == [new]
    assert (old.is_default, new.is_default, old.replaced_by, new.amount) == (False, True, None, Decimal(25))
    assert not stripe_server.get(old.stripe_price_id or "")["active"]
    assert not find_drift()


def test_replaced_price__stays_while_the_other_is_refused(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    edited = PlanPricing.objects.get(pk=pricing.pk)
    edited.interval_count = 40
    with transaction.atomic():
        lock_plan(pricing.plan_id)
        store_edited_row(edited, ["interval_count"])
    with pytest.raises(ProviderError):
        push_plan(plan=pricing.plan)
    assert list(PlanPricing.objects.on_sale()) == [pricing]
    assert stripe_server.get(pricing.stripe_price_id or "")["active"]
    waiting = PlanPricing.objects.get(is_active=True)
    PlanPricing.objects.filter(pk=waiting.pk).update(interval_count=4)
    push_plan(plan=pricing.plan)
    assert list(PlanPricing.objects.on_sale()) == [waiting]
    assert not stripe_server.get(pricing.stripe_price_id or "")["active"]


def test_replaced_price__is_not_sold_when_the_other_is_given_up(
    stripe_server: FakeStripe, pricing: PlanPricing
) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
    with pytest.raises(ProviderUnavailable):
        replace_pricing(pricing=pricing, amount=Decimal(25))
    archive_pricing(pricing=PlanPricing.objects.get(is_active=True))
    assert not PlanPricing.objects.on_sale().exists()
    assert not stripe_server.get(pricing.stripe_price_id or "")["active"]


def test_replaced_price__goes_with_its_plan(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
    with pytest.raises(ProviderUnavailable):
        replace_pricing(pricing=pricing, amount=Decimal(25))
    assert pull_catalogue() == []
    assert list(PlanPricing.objects.on_sale()) == [pricing]
    Plan.objects.update(is_active=False)
    push_plan(plan=pricing.plan)
    assert not any(price["active"] for price in stripe_server.all("price"))


def test_seeded_price__is_sold_until_the_other_is_made(stripe_server: FakeStripe) -> None:
    seed()
    stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
    with pytest.raises(CommandError):
        seed("--premium_amount", "250")
    sold = PlanPricing.objects.on_sale().filter(plan__slug="premium")
    assert [(row.amount, row.is_default) for row in sold] == [(Decimal(200), True)]
    seed("--premium_amount", "250")
    assert [(row.amount, row.is_default) for row in sold.all()] == [(Decimal(250), True)]


def test_subscribe__at_the_replaced_price(host: SubscriptionHost) -> None:
    old = host.basic
    old.lookup_key = "basic"
    old.save()
    host.fake.fault("POST", "/v1/prices", kind="error_500_before")
    with pytest.raises(ProviderUnavailable):
        replace_pricing(pricing=old, amount=Decimal(25))
    (shown,) = [plan["pricing"] for plan in host.get("plans").json()["results"] if plan["plan_id"] == old.plan_id]
    assert [price["pricing_id"] for price in shown] == [old.pk]
    assert host.subscribe(old)["pricing"]["pricing_id"] == old.pk
    named = subscribe(owner=make_user(), plan=old.plan, lookup_key="basic")
    assert named.pricing == old


def test_subscribe__at_no_price_that_the_provider_has(host: SubscriptionHost) -> None:
    new = make_pricing(make_plan("new"), stripe_price_id=None)
    answer = host.post("subscribe", {"plan_id": new.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_for_sale")
    answer = host.post("subscribe", {"plan_id": new.plan_id, "pricing_id": new.pk})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_pricing")


@pytest.mark.parametrize("at_period_end", [False, True])
@pytest.mark.parametrize("named_by", ["plan_id", "pricing_id"])
def test_change__to_the_replaced_price(host: SubscriptionHost, named_by: str, at_period_end: bool) -> None:
    """What is listed, and subscribed at, can be changed to as well."""
    mine = host.subscribed()
    succeed_row(host.premium, {"amount": Decimal("55.00")})
    named = {"plan_id": host.premium.plan_id, "pricing_id": host.premium.pk}[named_by]
    body = {"subscription_id": mine.provider_id, "at_period_end": at_period_end, named_by: named}
    for preview in (True, False):
        answer = host.post("change", body | {"preview": preview})
        assert answer.status_code == 200, answer.json()
    mine.refresh_from_db()
    assert (mine.scheduled_pricing if at_period_end else mine.pricing) == host.premium


def test_change__to_a_replaced_price_that_is_sold_no_more(host: SubscriptionHost) -> None:
    mine = host.subscribed()
    succeed_row(host.premium, {"amount": Decimal("55.00")})
    push_plan(plan=host.premium.plan)
    answer = host.post("change", {"subscription_id": mine.provider_id, "pricing_id": host.premium.pk})
    assert answer.status_code == 400, answer.json()


def test_add_on__at_the_replaced_price(host: SubscriptionHost) -> None:
    extra = host.sell("extra", Decimal("5.00"), is_add_on=True, may_be_added=True)
    mine = host.subscribed()
    succeed_row(extra, {"amount": Decimal("6.00")})
    answer = host.post("items", {"subscription_id": mine.provider_id, "pricing_id": extra.pk})
    assert answer.status_code == 201, answer.json()
    assert [item["price"]["id"] for item in host.fake.get(mine.provider_id)["items"]["data"]] == [
        host.basic.stripe_price_id,
        extra.stripe_price_id,
    ]


def test_price_by_use__is_not_sold_alone_beside_a_replaced_price(host: SubscriptionHost) -> None:
    """Also where what takes the place of the plan's price is by use itself."""
    calls = host.sell_metered("premium", Decimal("0.10"), product_id=host.premium.stripe_product_id)
    succeed_row(host.premium, {"usage_type": "metered", "metric": "minutes", "amount": Decimal("0.20")})
    answer = host.post("subscribe", {"plan_id": calls.plan_id, "pricing_id": calls.pk})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_for_sale")


@pytest.mark.parametrize("amounts", [("25", "30"), ("25", "30", "35"), ("25", "20")])
def test_seeded_price__is_sold_until_the_last_of_several_is_made(
    stripe_server: FakeStripe, amounts: Sequence[str]
) -> None:
    seed("--premium_amount", "20")
    rows = PlanPricing.objects.filter(plan__slug="premium")
    sold = rows.get()
    for amount in amounts:
        stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
        with contextlib.suppress(CommandError):
            seed("--premium_amount", amount)
        assert list(rows.on_sale()) == [sold]
    seed("--premium_amount", amounts[-1])
    assert [row.amount for row in rows.on_sale()] == [Decimal(amounts[-1])]
    assert not rows.exclude(replaced_by=None).exists()
    assert rows.get(is_default=True).is_active
