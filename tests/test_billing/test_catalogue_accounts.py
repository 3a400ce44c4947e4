"""Plans that are sold in several accounts: what is open in one of them holds up no other. Run on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from django_stripe_gateway import exceptions
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import CatalogueOperation, PlanPricing
from django_stripe_gateway.services.catalogue.publish import push_pricing
from tests.billing_factories import make_plan, make_pricing
from tests.fake_stripe.server import FakeStripe

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_KEY = "sk_test_other"


@pytest.fixture
def pricings(stripe_server: FakeStripe, settings: Any) -> tuple[PlanPricing, PlanPricing]:
    """Return a plan's price in the default account and its price in another one; Stripe has neither."""
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "other": (STRIPE_PROVIDER, {"api_key": OTHER_KEY}),
    }
    stripe_server.add_key(OTHER_KEY, "acct_other")
    plan = make_plan("gold")
    return make_pricing(plan, stripe_price_id=None), make_pricing(plan, variant="other", stripe_price_id=None)


def push(pricing: PlanPricing) -> None:
    """Push as another process does."""
    try:
        push_pricing(pricing=pricing)
    finally:
        connection.close()


def is_pushed(pricing: PlanPricing) -> bool:
    """Return whether Stripe has the price and nothing about it is open."""
    pricing.refresh_from_db()
    open_operations = CatalogueOperation.objects.pending().filter(plan=pricing.plan, variant=pricing.variant)
    return bool(pricing.stripe_price_id and pricing.stripe_product_id) and not open_operations.exists()


def test_revoked_key__holds_up_no_other_account(
    stripe_server: FakeStripe, pricings: tuple[PlanPricing, PlanPricing]
) -> None:
    ours, other = pricings
    stripe_server.fault("POST", "/v1/products", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        push_pricing(pricing=other)
    stripe_server.revoke_key(OTHER_KEY)
    with pytest.raises(exceptions.GatewayConfigurationError):
        push_pricing(pricing=other)
    (unknown,) = CatalogueOperation.objects.pending()
    push_pricing(pricing=ours)
    assert is_pushed(ours)
    # Nobody has settled, or given up, what the other account may have done.
    assert list(CatalogueOperation.objects.pending()) == [unknown]
    stripe_server.add_key(OTHER_KEY, "acct_other")
    push_pricing(pricing=other)
    assert is_pushed(other)
    assert len({pricing.stripe_product_id for pricing in pricings}) == 2


def test_call_in_one_account__holds_up_no_other(
    stripe_server: FakeStripe, pricings: tuple[PlanPricing, PlanPricing]
) -> None:
    ours, other = pricings
    with ThreadPoolExecutor(1) as threads, stripe_server.hold("POST", "/v1/products", times=1) as hold:
        pushing = threads.submit(push, other)
        hold.wait()
        push_pricing(pricing=ours)
        assert is_pushed(ours)
        hold.release()
        pushing.result()
    assert is_pushed(other)


def test_operation_of_a_variant_that_is_gone__holds_up_nobody(
    stripe_server: FakeStripe, pricings: tuple[PlanPricing, PlanPricing]
) -> None:
    """What became of it is in an account that cannot be asked; the plan is still sold in the others."""
    ours, other = pricings
    gone = CatalogueOperation.objects.create(
        plan=ours.plan, variant="gone", kind="create_product", leased_until=timezone.now()
    )
    push_pricing(pricing=ours)
    assert is_pushed(ours)
    gone.refresh_from_db()
    assert (gone.state, gone.error["code"]) == ("failed", "variant_gone")
    push_pricing(pricing=other)
    assert is_pushed(other)
    assert len(stripe_server.all("product")) == len(stripe_server.all("price")) == 2
