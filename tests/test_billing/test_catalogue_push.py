"""A push that fails, dies or meets another one ends in one product and one price. Run on every database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from django_stripe_gateway import exceptions
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.catalogue.publish import (
    archive_pricing,
    push_plan,
    push_pricing,
    replace_pricing,
)
from django_stripe_gateway.services.catalogue.pull import PulledPlan, pull_catalogue
from tests.billing_factories import make_plan, make_pricing
from tests.fake_stripe.server import FakeStripe
from tests.test_billing.catalogue_shop import CatalogueShop, run, seed

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parent.parent.parent
FAULTS = ("error_500_before", "error_500_after", "reset_before", "reset_after", "garbage", "rate_limit")


@pytest.fixture
def pricing(stripe_server: FakeStripe) -> PlanPricing:
    """Return a price that Stripe does not have."""
    return make_pricing(make_plan("gold"), stripe_price_id=None)


def counts(stripe: FakeStripe) -> tuple[int, int]:
    """Return how many products and prices Stripe has."""
    return len(stripe.all("product")), len(stripe.all("price"))


def repeat(pricing: PlanPricing) -> None:
    """Push again, as a later process does."""
    assert push_pricing(pricing=pricing) is not None
    pricing.refresh_from_db()
    assert pricing.stripe_price_id
    assert pricing.stripe_product_id
    assert not CatalogueOperation.objects.pending().exists()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("path", ["/v1/products", "/v1/prices"])
def test_push__fails(stripe_server: FakeStripe, pricing: PlanPricing, path: str, kind: Any) -> None:
    stripe_server.fault("POST", path, kind=kind)
    with pytest.raises(exceptions.ProviderUnavailable):
        push_plan(plan=pricing.plan)
    repeat(pricing)
    assert counts(stripe_server) == (1, 1)
    assert not stripe_server.faults_pending


def test_push__looks_before_it_repeats(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/products", kind="reset_after")
    stripe_server.fault("POST", "/v1/prices", kind="reset_after")
    for _attempt in range(2):
        with pytest.raises(exceptions.ProviderUnavailable):
            push_plan(plan=pricing.plan)
        # Keys are kept for a day only, and localstripe ignores them.
        stripe_server.forget_idempotency_keys()
    repeat(pricing)
    assert counts(stripe_server) == (1, 1)


def test_push__keeps_the_key_of_what_is_not_known(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    for _attempt in range(2):
        stripe_server.fault("POST", "/v1/products", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            push_plan(plan=pricing.plan)
        (operation,) = CatalogueOperation.objects.pending()
    repeat(pricing)
    sent = [request.idempotency_key for request in stripe_server.requests if request.method == "POST"]
    assert sent[:3] == [operation.idempotency_key] * 3
    assert len(sent) == 4
    assert len(set(sent)) == 2


def test_push__drops_the_key_of_a_stored_failure(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/products", kind="error_500_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        push_plan(plan=pricing.plan)
    (operation,) = CatalogueOperation.objects.pending()
    assert operation.idempotency_key not in {request.idempotency_key for request in stripe_server.requests}
    assert not operation.is_leased(timezone.now())


def test_push__renamed_while_unknown(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/products", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        push_plan(plan=pricing.plan)
    Plan.objects.update(name="Gold and silver")
    repeat(pricing)
    assert counts(stripe_server) == (1, 1)
    assert stripe_server.all("product")[0]["name"] == "Gold and silver"


def test_push__refused(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.revoke_key("sk_test_fake")
    with pytest.raises(exceptions.GatewayConfigurationError):
        push_plan(plan=pricing.plan)
    stripe_server.add_key("sk_test_fake")
    repeat(pricing)


@pytest.mark.parametrize("is_pushed", [False, True])
def test_push__inside_a_transaction(stripe_server: FakeStripe, pricing: PlanPricing, is_pushed: bool) -> None:
    if is_pushed:
        push_plan(plan=pricing.plan)
    stripe_server.forget_requests()
    with pytest.raises(RuntimeError, match="transaction"), transaction.atomic():
        push_plan(plan=pricing.plan)
    assert stripe_server.requests == []


def test_push__is_written_before_it_is_asked(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    with ThreadPoolExecutor(1) as threads, stripe_server.hold("POST", "/v1/products") as hold:
        pushing = threads.submit(in_thread, pricing)
        hold.wait()
        (operation,) = CatalogueOperation.objects.pending()
        assert operation.leased_until > timezone.now()
        with pytest.raises(exceptions.OperationInProgress):
            push_plan(plan=pricing.plan)
        hold.release()
        pushing.result()
    request = next(request for request in stripe_server.requests if request.method == "POST")
    assert request.idempotency_key == operation.idempotency_key


def test_push__too_slow(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    with ThreadPoolExecutor(1) as threads, stripe_server.hold("POST", "/v1/products", when="after") as hold:
        slow = threads.submit(in_thread, pricing)
        hold.wait()
        CatalogueOperation.objects.pending().update(leased_until=timezone.now() - timedelta(seconds=1))
        repeat(pricing)
        hold.release()
        assert isinstance(slow.result(), exceptions.OperationInProgress)
    repeat(pricing)
    assert counts(stripe_server) == (1, 1)


def test_push__what_was_read_is_stale(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    with ThreadPoolExecutor(1) as threads, stripe_server.hold("GET", "/v1/prices", when="after", times=1) as hold:
        slow = threads.submit(in_thread, pricing)
        hold.wait()
        repeat(pricing)
        hold.release()
        assert isinstance(slow.result(), exceptions.OperationInProgress)
    assert counts(stripe_server) == (1, 1)


@pytest.mark.parametrize("is_active", [False, True])
def test_push__edited_after_it_was_read(stripe_server: FakeStripe, pricing: PlanPricing, is_active: bool) -> None:
    repeat(pricing)
    if is_active:
        get_billing_gateway("stripe").archive_price(pricing.stripe_price_id or "", idempotency_key="k")
    Plan.objects.update(name="Other")
    PlanPricing.objects.update(is_active=is_active)
    with ThreadPoolExecutor(1) as threads, stripe_server.hold("POST", "/v1/products/*") as hold:
        slow = threads.submit(in_thread, pricing)
        hold.wait()
        PlanPricing.objects.update(is_active=not is_active)
        hold.release()
        assert isinstance(slow.result(), exceptions.OperationInProgress)
    assert [price["active"] for price in stripe_server.all("price")] == [not is_active]


@pytest.mark.parametrize("act", ["push", "reconcile"])
def test_unknown__is_not_set_when_an_edit_has_overtaken_it(
    stripe_server: FakeStripe, pricing: PlanPricing, act: str
) -> None:
    push_pricing(pricing=pricing)
    stripe_server.fault("POST", "/v1/prices/*", kind="reset_before")
    with pytest.raises(exceptions.ProviderUnavailable):
        archive_pricing(pricing=pricing)
    PlanPricing.objects.update(is_active=True)
    stripe_server.forget_requests()
    repeat(pricing) if act == "push" else run("reconcile")
    assert [request.path for request in stripe_server.requests if request.method == "POST"] == []
    assert not CatalogueOperation.objects.pending().exists()


def test_unknown__was_linked_meanwhile(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        push_plan(plan=pricing.plan)
    run("sync_plans", "--pull")
    stripe_server.forget_idempotency_keys()
    assert "settled  1" in run("reconcile")
    repeat(pricing)
    assert counts(stripe_server) == (1, 1)


def test_pull__what_was_pushed_meanwhile(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    with ThreadPoolExecutor(1) as threads, stripe_server.hold("GET", "/v1/prices", when="after", times=1) as hold:
        pulling = threads.submit(pull_in_thread)
        hold.wait()
        repeat(pricing)
        hold.release()
        (pulled,) = pulling.result()
    assert pulled.changes[0].startswith("left alone")
    assert PlanPricing.objects.get().is_active


def test_unknown__and_then_refused(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    other = make_pricing(pricing.plan, amount=Decimal(30), stripe_price_id=None)
    push_pricing(pricing=pricing)
    stripe_server.fault("POST", "/v1/prices/*", kind="reset_before")
    with pytest.raises(exceptions.ProviderUnavailable):
        archive_pricing(pricing=pricing)
    pricing.refresh_from_db()
    # Somebody makes it the default in the Dashboard: Stripe refuses to archive that.
    stripe = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    stripe.products.update(pricing.stripe_product_id, params={"default_price": pricing.stripe_price_id})
    repeat(other)
    operations = CatalogueOperation.objects.order_by("pk").values_list("kind", "state")
    assert list(operations)[3:] == [
        ("archive_price", "failed"),
        ("update_product", "succeeded"),
        ("archive_price", "succeeded"),
    ]
    assert not stripe_server.get(pricing.stripe_price_id or "")["active"]


def test_renamed__of_an_archived_product(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    push_pricing(pricing=pricing)
    Plan.objects.update(is_active=False)
    repeat(pricing)
    Plan.objects.update(name="Other")
    repeat(pricing)
    (product,) = stripe_server.all("product")
    assert (product["name"], product["active"]) == ("Other", False)


def test_push__terms_of_an_unknown_price_stay(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        push_plan(plan=pricing.plan)
    sold = replace_pricing(pricing=pricing, amount=Decimal(30))
    pricing.refresh_from_db()
    assert (pricing.amount, pricing.is_active) == (Decimal(20), False)
    assert {price["unit_amount"]: price["active"] for price in stripe_server.all("price")} == {2000: False, 3000: True}
    assert stripe_server.get(sold.stripe_price_id or "")["active"]
    assert stripe_server.get(pricing.stripe_price_id or "")["unit_amount"] == 2000


def test_replace__before_it_was_offered(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    assert replace_pricing(pricing=pricing, amount=Decimal(30)) == pricing
    assert [price["unit_amount"] for price in stripe_server.all("price")] == [3000]
    with pytest.raises(exceptions.InvalidAmount):
        replace_pricing(pricing=pricing, amount=Decimal("30.001"))


def test_archive(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    push_pricing(pricing=pricing)
    stripe_server.fault("POST", "/v1/prices/*", kind="reset_before")
    with pytest.raises(exceptions.ProviderUnavailable):
        archive_pricing(pricing=pricing)
    assert not PlanPricing.objects.get(pk=pricing.pk).is_active
    repeat(pricing)
    assert [price["active"] for price in stripe_server.all("price")] == [False]
    pricing.is_active = True
    pricing.save()
    repeat(pricing)
    assert [price["active"] for price in stripe_server.all("price")] == [True]


def test_plan_deactivated(stripe_server: FakeStripe, pricing: PlanPricing) -> None:
    push_pricing(pricing=pricing)
    Plan.objects.update(is_active=False)
    repeat(pricing)
    assert [found["active"] for kind in ("price", "product") for found in stripe_server.all(kind)] == [False, False]
    Plan.objects.update(is_active=True)
    repeat(pricing)
    assert [found["active"] for kind in ("price", "product") for found in stripe_server.all(kind)] == [True, True]


def in_thread(pricing: PlanPricing) -> Any:
    """Push, and return what was raised."""
    try:
        return push_pricing(pricing=pricing)
    except Exception as error:
        return error
    finally:
        connection.close()


def pull_in_thread() -> list[PulledPlan]:
    """Pull, and return what that did."""
    try:
        return pull_catalogue()
    finally:
        connection.close()


def seed_in_thread(amount: str) -> Any:
    """Seed, and return what was raised."""
    try:
        return seed("--premium_amount", amount)
    except Exception as error:
        return error
    finally:
        connection.close()


def test_two_seeds_at_once(stripe_server: FakeStripe) -> None:
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(seed_in_thread, ["200", "200"]))
    assert [result for result in results if isinstance(result, Exception)] == []
    assert counts(stripe_server) == (3, 3)
    assert PlanPricing.objects.count() == 3
    assert not PlanPricing.objects.filter(stripe_price_id=None).exists()


@pytest.mark.localstripe
def test_two_seeds_at_once__without_idempotency_keys(fresh_localstripe: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(seed_in_thread, ["200", "250"]))
    assert [result for result in results if isinstance(result, Exception)] == []
    shop = CatalogueShop()
    assert len(shop.catalogue.products) == 3
    # One of the two may have replaced the other's price before it was pushed to Stripe.
    assert len(shop.catalogue.prices) == PlanPricing.objects.exclude(stripe_price_id=None).count()
    (price,) = shop.prices("premium")
    assert price.price_id == shop.row("premium").stripe_price_id


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", ["/v1/products", "/v1/prices"])
def test_killed(stripe_server: FakeStripe, path: str, when: Any) -> None:
    with stripe_server.hold("POST", path, when=when, times=1) as hold:
        process = start_seeding(stripe_server)
        hold.wait(timeout=30)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert CatalogueOperation.objects.pending().count() == 1
    # The time passes in which an answer might still come.
    CatalogueOperation.objects.pending().update(leased_until=timezone.now())
    seed()
    assert counts(stripe_server) == (3, 3)
    assert PlanPricing.objects.exclude(stripe_price_id=None).count() == 3


def start_seeding(stripe: FakeStripe) -> subprocess.Popen[bytes]:
    """Seed in a process of its own, on this test's database and server."""
    code = (
        "import sys, django; from django.conf import settings; import tests.settings\n"
        "tests.settings.DATABASES['default']['NAME'] = sys.argv[1]\n"
        "tests.settings.STRIPE_GATEWAY_API_BASE = sys.argv[2]\n"
        "django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('seed_subscriptions')\n"
    )
    name = str(django_settings.DATABASES["default"]["NAME"])
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen([sys.executable, "-c", code, name, stripe.url], cwd=ROOT, env=environment)
