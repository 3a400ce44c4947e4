from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, ProductRequest
from django_stripe_gateway.gateways.registry import get_meters
from django_stripe_gateway.gateways.stripe.catalogue_objects import price_snapshot
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


@pytest.mark.parametrize("fields", [{}, {"recurring": {"usage_type": "metered", "interval": "month", "meter": None}}])
@pytest.mark.parametrize(
    ("amount", "licensed", "metered"),
    [
        ({"unit_amount": 1500, "unit_amount_decimal": "1500"}, "15.00", "15.00"),
        ({"unit_amount": None, "unit_amount_decimal": "0.04"}, None, "0.0004"),
        ({"amount": None, "amount_decimal": "0.04"}, None, "0.0004"),
        ({"unit_amount": None, "unit_amount_decimal": "0.0000001"}, None, None),
        ({"unit_amount": None, "unit_amount_decimal": "many"}, None, None),
        ({"unit_amount": None}, None, None),
        ({"unit_amount": 1500, "currency": "xxx"}, None, None),
        ({"unit_amount": 1500, "transform_quantity": {"divide_by": 10, "round": "up"}}, None, None),
        ({"unit_amount": 1500, "billing_scheme": "tiered"}, None, None),
    ],
)
def test_price__read(amount: dict[str, Any], licensed: str | None, metered: str | None, fields: Any) -> None:
    found = price_snapshot({"id": "price_1", "currency": "usd", "product": "prod_1", **amount, **fields})
    expected = metered if fields else licensed
    assert found.amount == (None if expected is None else Decimal(expected))
    assert found.usage_type == ("metered" if fields else "licensed")


def test_price__by_use(stripe_biller: OnFakeStripe) -> None:
    meter = get_meters("stripe").create_meter("calls", "Calls", idempotency_key=stripe_biller.key())
    assert get_meters("stripe").list_meters() == {"calls": meter}
    product_id = stripe_biller.price().product_id
    request = PriceRequest(
        product_id, Decimal("0.0004"), "USD", "month", usage_type="metered", meter_id=meter.meter_id, lookup_key="calls"
    )
    made = stripe_biller.gateway.create_price(request, idempotency_key=stripe_biller.key())
    assert (made.amount, made.usage_type, made.meter_id) == (Decimal("0.0004"), "metered", meter.meter_id)
    assert made.lookup_key == "calls"
    with pytest.raises(ProviderError, match="already uses that lookup key"):
        stripe_biller.gateway.create_price(request, idempotency_key=stripe_biller.key())
    request = replace(request, transfer_lookup_key=True)
    other = stripe_biller.gateway.create_price(request, idempotency_key=stripe_biller.key())
    assert {price.lookup_key: price.price_id for price in stripe_biller.gateway.list_prices()}[
        "calls"
    ] == other.price_id


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
