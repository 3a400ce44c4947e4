"""Prices and products that were archived at Stripe are not sold any more; stale events change nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.models import PlanPricing
from tests.billing_factories import make_pricing
from tests.factories import make_event
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


def archived(pricing: PlanPricing, kind: str = "price", **fields: Any) -> dict[str, Any]:
    object_id = pricing.stripe_price_id if kind == "price" else pricing.stripe_product_id
    created = int((timezone.now() + timedelta(seconds=2)).timestamp())
    obj = {"id": object_id, "object": kind, "active": False}
    return make_event(f"{kind}.updated", obj, **{"created": created} | fields)


@pytest.mark.parametrize("kind", ["price", "product"])
def test_archived(kind: str) -> None:
    pricing, other = make_pricing(stripe_product_id="prod_1"), make_pricing(stripe_product_id="prod_2")
    assert deliver(archived(pricing, kind)).json()["state"] == "processed"
    pricing.refresh_from_db()
    other.refresh_from_db()
    assert (pricing.is_active, other.is_active) == (False, True)


def test_archived__stale_event() -> None:
    pricing = make_pricing()
    old = int((timezone.now() - timedelta(hours=1)).timestamp())
    assert deliver(archived(pricing, created=old)).json()["state"] == "processed"
    pricing.refresh_from_db()
    assert pricing.is_active


def test_deleted__however_old() -> None:
    pricing = make_pricing()
    gone = {"id": pricing.stripe_price_id, "object": "price", "deleted": True}
    deliver(make_event("price.deleted", gone, created=1_700_000_000))
    pricing.refresh_from_db()
    assert not pricing.is_active


def test_of_another_account() -> None:
    pricing = make_pricing(variant="eu")
    deliver(archived(pricing))
    pricing.refresh_from_db()
    assert pricing.is_active
