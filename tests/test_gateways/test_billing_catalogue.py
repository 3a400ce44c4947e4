from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderError
from django_stripe_gateway.gateways.billing_values import (
    CustomerRequest,
    ProductRequest,
)
from tests.test_gateways.billing_conformance import Biller, OnFakeStripe, assert_plain

TWENTY = Decimal("20.00")


def test_product(biller: Biller) -> None:
    request = ProductRequest("Gold", "All of it", {"plan": "gold"})
    made = biller.gateway.create_product(request, idempotency_key=biller.key())
    assert (made.name, made.description, made.metadata, made.is_active) == ("Gold", "All of it", {"plan": "gold"}, True)
    changed = biller.gateway.update_product(
        made.product_id, ProductRequest("Silver", "Less"), is_active=False, idempotency_key=biller.key()
    )
    assert (changed.name, changed.description, changed.is_active) == ("Silver", "Less", False)
    assert changed in biller.gateway.list_products()
    assert_plain(changed)


def test_price(biller: Biller) -> None:
    made = biller.price("200.00")
    assert (made.amount, made.currency) == (Decimal("200.00"), "USD")
    assert (made.interval, made.interval_count, made.is_active, made.metadata) == ("month", 1, True, {"pricing": "7"})
    archived = biller.gateway.archive_price(made.price_id, idempotency_key=biller.key())
    assert not archived.is_active
    assert archived in biller.gateway.list_prices()
    assert archived.product_id == made.product_id
    assert_plain(archived)
    assert biller.gateway.restore_price(made.price_id, idempotency_key=biller.key()).is_active


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


def test_customer(biller: Biller) -> None:
    made = biller.customer("")
    assert (made.email, made.name, made.metadata) == ("ada@example.com", "Ada", {"owner": "5"})
    assert (made.livemode, made.is_deleted, made.default_payment_method) == (False, False, "")
    assert "ada@example.com" not in repr(made)
    changed = biller.gateway.update_customer(
        made.customer_id, CustomerRequest(email="eve@example.com"), idempotency_key=biller.key()
    )
    assert (changed.email, changed.name) == ("eve@example.com", "Ada")
    assert biller.gateway.retrieve_customer(made.customer_id) == changed


def test_customer__deleted(biller: Biller) -> None:
    made = biller.customer("")
    biller.gateway.v1.customers.delete(made.customer_id)  # type: ignore[attr-defined]
    assert biller.gateway.retrieve_customer(made.customer_id).is_deleted
    if isinstance(biller, OnFakeStripe):
        with pytest.raises(ProviderError) as caught:
            biller.subscribe(made, biller.price())
        assert caught.value.code == "resource_missing"


def test_payment_methods(biller: Biller) -> None:
    customer = biller.customer()
    (first,) = biller.gateway.list_payment_methods(customer.customer_id)
    assert (first.kind, first.brand, first.last4, first.customer_id) == ("card", "visa", "4242", customer.customer_id)
    assert first.payment_method_id == customer.default_payment_method
    assert first.exp_year
    second = biller.gateway.attach_payment_method(biller.failing, customer.customer_id, idempotency_key=biller.key())
    assert [item.last4 for item in biller.gateway.list_payment_methods(customer.customer_id)] == ["0341", "4242"]
    biller.gateway.detach_payment_method(first.payment_method_id, idempotency_key=biller.key())
    assert biller.gateway.list_payment_methods(customer.customer_id) == [second]
    assert biller.gateway.retrieve_payment_method(first.payment_method_id).customer_id == ""
    assert_plain(second)


def test_payment_methods__declined(biller: Biller) -> None:
    customer = biller.customer("")
    with pytest.raises(PaymentDeclined) as caught:
        biller.gateway.attach_payment_method(
            "pm_card_visa_chargeDeclined", customer.customer_id, idempotency_key=biller.key()
        )
    assert caught.value.code == "card_declined"


def test_setup(biller: Biller) -> None:
    customer = biller.customer("")
    setup = biller.gateway.create_setup(customer.customer_id, metadata={"operation": "7"}, idempotency_key=biller.key())
    assert (setup.status, setup.payment_method_id) == ("requires_payment_method", "")
    assert setup.client_secret.startswith(setup.setup_id)
    assert_plain(setup)
    if isinstance(biller, OnFakeStripe):
        biller.fake.customer_sets_up(setup.setup_id)
        assert len(biller.gateway.list_payment_methods(customer.customer_id)) == 1


def test_portal(stripe_biller: OnFakeStripe) -> None:
    customer = stripe_biller.customer("")
    url = stripe_biller.gateway.create_portal_url(
        customer.customer_id, "https://shop.test/", idempotency_key=stripe_biller.key()
    )
    assert url.startswith(stripe_biller.fake.url)
