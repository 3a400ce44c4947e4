"""`seed_subscriptions`, against the fake Stripe in both generations of its API and against localstripe."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db.models.signals import pre_save

from django_stripe_gateway.checks.catalogue import check_catalogue
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanLimit, PlanPricing
from tests.billing_factories import make_subscription
from tests.fake_stripe.server import FakeStripe
from tests.test_billing.catalogue_shop import CatalogueShop, seed
from tests.test_checks.running import run as run_check

pytestmark = pytest.mark.django_db(transaction=True)


def test_seed(shop: CatalogueShop) -> None:
    out = seed("--day_pass_amount", "5", "--premium_amount", "200", "--free_amount", "0")
    assert [(plan.slug, plan.auto_renew, plan.is_default) for plan in Plan.objects.all()] == [
        ("free", True, True),
        ("day-pass", False, False),
        ("premium", True, False),
    ]
    limits = PlanLimit.objects.values_list("plan__slug", "metric", "limit", "period")
    assert list(limits) == [
        *(("free", "minutes", 180, "day"), ("free", "megabytes", 300, "day")),
        *((slug, metric, None, "day") for slug in ("day-pass", "premium") for metric in ("minutes", "megabytes")),
    ]
    assert set(PlanPricing.objects.values_list("is_default", "is_public")) == {(True, True)}
    assert run_check(check_catalogue, databases=["default"]) == []
    for slug, amount, interval in (("free", "0", "month"), ("day-pass", "5", "day"), ("premium", "200", "month")):
        row = shop.row(slug)
        (price,) = shop.prices(slug)
        assert (price.amount, price.currency, price.interval) == (Decimal(amount), "USD", interval)
        assert (row.stripe_price_id, row.stripe_product_id) == (price.price_id, price.product_id)
        assert (row.amount, row.currency, row.interval, row.variant) == (Decimal(amount), "USD", interval, "stripe")
        assert shop.catalogue.products[price.product_id].name == shop.plan(slug).name
        assert row.stripe_price_id in out
    assert Plan.objects.default() == shop.plan("free")
    assert not CatalogueOperation.objects.pending().exists()


def test_seed__again(shop: CatalogueShop) -> None:
    seed()
    before, rows = shop.catalogue, list(PlanPricing.objects.values())
    assert "premium: unchanged" in seed()
    assert (shop.catalogue, list(PlanPricing.objects.values())) == (before, rows)


def test_seed__other_amount(shop: CatalogueShop) -> None:
    seed()
    old = shop.row("premium")
    subscription = make_subscription(pricing=old)
    seed("--premium_amount", "249.99")
    new = shop.row("premium")
    (price,) = shop.prices("premium")
    assert (price.price_id, price.amount, new.amount) == (new.stripe_price_id, Decimal("249.99"), Decimal("249.99"))
    assert price.product_id == old.stripe_product_id
    assert not shop.catalogue.prices[old.stripe_price_id or ""].is_active
    old.refresh_from_db()
    subscription.refresh_from_db()
    assert (old.is_active, old.amount, subscription.pricing) == (False, Decimal(200), old)
    seed("--premium_amount", "200")
    assert shop.row("premium") == old
    assert [price.price_id for price in shop.prices("premium")] == [old.stripe_price_id]
    assert PlanPricing.objects.filter(plan__slug="premium").count() == 2


def test_seed__keeps_what_staff_changed(stripe_server: FakeStripe) -> None:
    seed()
    Plan.objects.filter(slug="free").update(name="Starter", is_default=False)
    PlanLimit.objects.filter(metric="minutes").update(limit=240)
    seed("--free_amount", "1")
    free = Plan.objects.get(slug="free")
    assert (free.name, free.is_default) == ("Starter", False)
    assert free.limits.get(metric="minutes").limit == 240
    assert stripe_server.get(PlanPricing.objects.get(plan=free, is_active=True).stripe_product_id)["name"] == "Starter"


def test_seed__takes_the_default_over(stripe_server: FakeStripe) -> None:
    other = Plan.objects.create(slug="other", name="Other", is_default=True)
    seed()
    other.refresh_from_db()
    assert not other.is_default


def test_seed__other_currency(stripe_server: FakeStripe) -> None:
    seed()
    seed("--currency", "jpy", "--premium_amount", "30000", "--day_pass_amount", "700")
    prices = PlanPricing.objects.filter(plan__slug="premium", is_active=True).values_list("amount", "currency")
    assert set(prices) == {(Decimal(200), "USD"), (Decimal(30000), "JPY")}
    assert len(stripe_server.all("product")) == 3


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--premium_amount", "9.999"], "USD amounts must be multiples of 0.01"),
        (["--premium_amount", "9.5", "--currency", "JPY"], "JPY amounts must be multiples of 1"),
        (["--premium_amount", "-1"], "must not be negative"),
        (["--premium_amount", "NaN"], "finite"),
        (["--premium_amount", "lots"], "--premium_amount takes an amount"),
        (["--currency", "XXX"], "not a currency"),
        (["--variant", "nowhere"], "has no entry 'nowhere'"),
        (["--from-file", "nowhere.json"], "cannot be read"),
    ],
)
def test_seed__refused(args: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        seed(*args)
    assert not Plan.objects.exists()


def test_seed__another_process_adds_the_plan(stripe_server: FakeStripe) -> None:
    rivals = ["free", "premium"]

    def add_rival(instance: Plan, **values: Any) -> None:
        if instance.slug in rivals:
            rivals.remove(instance.slug)
            Plan.objects.create(slug=instance.slug, name="Rival")

    pre_save.connect(add_rival, sender=Plan)
    try:
        seed()
    finally:
        pre_save.disconnect(add_rival, sender=Plan)
    assert rivals == []
    assert PlanPricing.objects.exclude(stripe_price_id=None).count() == 3


def test_seed__dry_run(stripe_server: FakeStripe) -> None:
    out = seed("--dry-run")
    assert "premium: plan created" in out
    assert "premium: Stripe: create price 200.00 USD / month" in out
    assert not Plan.objects.exists()
    seed()
    stripe_server.forget_requests()
    out = seed("--dry-run", "--premium_amount", "250")
    assert "premium: Stripe: create price 250.00 USD / month" in out
    assert "premium: Stripe: archive price 200.00 USD / month" in out
    assert "free: unchanged" in out
    assert {request.method for request in stripe_server.requests} == {"GET"}
    assert PlanPricing.objects.count() == 3


def test_seed__stripe_fails(stripe_server: FakeStripe) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
    with pytest.raises(CommandError, match=r"free: Stripe failed(.|\n)*Run the command again"):
        seed()
    assert PlanPricing.objects.filter(stripe_price_id=None).count() == 1
    seed()
    assert not PlanPricing.objects.filter(stripe_price_id=None).exists()
    assert (len(stripe_server.all("product")), len(stripe_server.all("price"))) == (3, 3)
