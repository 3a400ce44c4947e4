from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.billing_values import (
    ProductRequest,
)
from tests.test_gateways.billing_conformance import OnFakeStripe

TWENTY = Decimal("20.00")


def test_price__default_of_its_product(stripe_biller: OnFakeStripe) -> None:
    made = stripe_biller.price()
    request = ProductRequest("Gold", default_price_id=made.price_id)
    changed = stripe_biller.gateway.update_product(
        made.product_id, request, is_active=True, idempotency_key=stripe_biller.key()
    )
    assert changed.default_price_id == made.price_id
    with pytest.raises(ProviderError, match="default price"):
        stripe_biller.gateway.archive_price(made.price_id, idempotency_key=stripe_biller.key())


def test_promotion_code(stripe_biller: OnFakeStripe) -> None:
    coupon = stripe_biller.fake.coupon(percent_off=25.5, duration="once")
    promotion = stripe_biller.fake.promotion_code(coupon["id"], "FALL20")
    found = stripe_biller.gateway.find_promotion_code("fall20")
    assert found is not None
    assert (found.promotion_code_id, found.code, found.coupon_id) == (promotion["id"], "FALL20", coupon["id"])
    assert stripe_biller.gateway.find_promotion_code("none") is None
    made = stripe_biller.subscribe(stripe_biller.customer(), stripe_biller.price(), promotion_code=promotion["id"])
    assert made.latest_invoice is not None
    assert (made.latest_invoice.subtotal, made.latest_invoice.total) == (TWENTY, Decimal("14.90"))


# Customers.


def test_customer__deleted(stripe_biller: OnFakeStripe) -> None:
    made = stripe_biller.customer("")
    stripe_biller.delete_customer(made.customer_id)
    with pytest.raises(ProviderError) as caught:
        stripe_biller.subscribe(made, stripe_biller.price())
    assert caught.value.code == "resource_missing"
    assert caught.value.is_missing


def test_portal(stripe_biller: OnFakeStripe) -> None:
    customer = stripe_biller.customer("")
    url = stripe_biller.gateway.create_portal_url(
        customer.customer_id, "https://shop.test/", idempotency_key=stripe_biller.key()
    )
    assert url.startswith(stripe_biller.fake.url)
