"""Discounts that a running subscription gets, keeps and loses."""

from __future__ import annotations

import pytest
import stripe

from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain


def test_update__gets_keeps_and_loses(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(2000))
    coupon = billing.fake.coupon(percent_off=10, duration="forever")["id"]
    code = billing.fake.promotion_code(
        billing.fake.coupon(amount_off=300, currency="usd", duration="forever")["id"], "X"
    )
    updated = billing.v1.subscriptions.update(made["id"], {"discounts": [{"coupon": coupon}]})
    (first,) = updated.discounts
    both = [{"promotion_code": code["id"]}, {"discount": str(first)}]
    updated = billing.v1.subscriptions.update(
        made["id"],
        {"discounts": both, "expand": ["discounts"]},
    )
    found = plain(updated)["discounts"]
    assert [discount["id"] for discount in found][1] == first
    assert [discount["promotion_code"] for discount in found] == [code["id"], None]
    assert found[1]["source"]["coupon"] == coupon
    assert billing.fake.get(coupon)["times_redeemed"] == billing.fake.get(code["id"])["times_redeemed"] == 1
    billing.fake.advance(days=32)
    invoice = billing.v1.invoices.list({"subscription": made["id"]}).data[0]
    assert (invoice.subtotal, invoice.total) == (2000, 1530)
    assert [off.amount for off in invoice.total_discount_amounts or []] == [300, 170]
    # What is not named stays.
    assert len(billing.v1.subscriptions.update(made["id"], {"metadata": {"a": "b"}}).discounts) == 2
    assert billing.v1.subscriptions.update(made["id"], {"discounts": ""}).discounts == []
    assert types(billing.fake.events(), "customer.discount.") == ["created", "created", "deleted", "deleted"]
    billing.fake.advance(days=31)
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].total == 2000


def test_update__once(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(2000))
    coupon = billing.fake.coupon(percent_off=50, duration="once")["id"]
    billing.v1.subscriptions.update(made["id"], {"discounts": [{"coupon": coupon}]})
    billing.fake.advance(days=63)
    assert [invoice.total for invoice in billing.v1.invoices.list({"subscription": made["id"]}).data] == [
        2000,
        1000,
        2000,
    ]


@pytest.mark.parametrize("generation", ["acacia", "legacy"])
def test_update__older_shapes(billing: BillingShop, generation: str) -> None:
    billing.fake.generation = generation
    made = billing.subscribe(billing.customer(), billing.price(2000))
    coupon = billing.fake.coupon(percent_off=10, duration="forever")["id"]
    old = billing.client(stripe_version={"acacia": "2025-02-24.acacia", "legacy": "2017-08-15"}[generation]).v1
    params = {"discounts": [{"coupon": coupon}], "expand": ["discounts"]}
    updated = plain(old.subscriptions.update(made["id"], params))
    assert updated["discount"]["coupon"]["id"] == coupon
    assert updated["discounts"][0]["coupon"]["percent_off"] == 10
    event = billing.fake.events("customer.subscription.updated")[-1]["data"]
    assert (event["object"]["discount"]["coupon"]["id"], event["previous_attributes"]["discount"]) == (coupon, None)
    assert plain(old.subscriptions.update(made["id"], {"discounts": ""}))["discount"] is None


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"coupon": "none"}, "discounts[0][coupon]"),
        ({"promotion_code": "promo_none"}, "discounts[0][promotion_code]"),
        ({"discount": "di_none"}, "discounts[0][discount]"),
        ({"discount": "somebody else's"}, "discounts[0][discount]"),
    ],
)
def test_update__refused(billing: BillingShop, given: dict[str, str], param: str) -> None:
    made = billing.subscribe(billing.customer(), billing.price(2000))
    coupon = billing.fake.coupon(percent_off=10, duration="forever")["id"]
    if given.get("discount") == "somebody else's":
        other = billing.subscribe(billing.customer(), billing.price(), discounts=[{"coupon": coupon}])
        given = {"discount": other["discounts"][0]}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscriptions.update(made["id"], {"discounts": [given]})
    assert caught.value.param == param
    assert billing.fake.get(made["id"])["discounts"] == []
