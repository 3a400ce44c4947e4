"""Prices: their amounts, and the lookup keys that they are found by."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.test_fake_stripe.billing_shop import MONTH, BillingShop


def found(billing: BillingShop, *keys: str) -> list[str]:
    """Return the ids of the prices with these lookup keys."""
    return [price.id for price in billing.v1.prices.list({"lookup_keys": list(keys)}).data]


def test_lookup_key(billing: BillingShop) -> None:
    gold, silver = billing.price(lookup_key="gold"), billing.price(lookup_key="silver")
    billing.price()
    assert found(billing, "gold") == [gold]
    assert found(billing, "gold", "silver", "bronze") == [silver, gold]
    assert found(billing, "bronze") == []
    assert billing.v1.prices.retrieve(gold).lookup_key == "gold"
    with pytest.raises(stripe.InvalidRequestError, match="up to 10"):
        found(billing, *"abcdefghijk")


@pytest.mark.parametrize("archived", [True, False])
def test_lookup_key__is_another_prices(billing: BillingShop, archived: bool) -> None:
    holder, other = billing.price(lookup_key="gold"), billing.price()
    billing.v1.prices.update(holder, {"active": not archived})
    for attempt in (
        lambda: billing.price(lookup_key="gold"),
        lambda: billing.v1.prices.update(other, {"lookup_key": "gold"}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=f"`{holder}`. already uses that lookup key") as caught:
            attempt()
        assert (caught.value.http_status, caught.value.param) == (400, "lookup_key")
    assert found(billing, "gold") == [holder]
    # One's own key is no conflict.
    billing.v1.prices.update(holder, {"lookup_key": "gold"})


@pytest.mark.parametrize("by", ["create", "update"])
def test_lookup_key__transferred(billing: BillingShop, by: str) -> None:
    holder, other = billing.price(lookup_key="gold"), billing.price()
    transfer = {"lookup_key": "gold", "transfer_lookup_key": True}
    if by == "create":
        other = billing.price(**transfer)
    else:
        billing.v1.prices.update(other, transfer)
    assert found(billing, "gold") == [other]
    assert (billing.fake.get(holder)["lookup_key"], billing.fake.get(holder)["active"]) == (None, True)
    (event,) = billing.fake.events("price.updated", holder)
    assert event["data"]["previous_attributes"] == {"lookup_key": "gold"}


def test_lookup_key__given_up(billing: BillingShop) -> None:
    price = billing.price(lookup_key="gold")
    billing.v1.prices.update(price, {"lookup_key": ""})
    assert billing.fake.get(price)["lookup_key"] is None
    assert found(billing, "gold") == []
    assert billing.price(lookup_key="gold")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"unit_amount": 500}, (500, "500")),
        ({"unit_amount_decimal": "500"}, (500, "500")),
        ({"unit_amount_decimal": "0.05"}, (None, "0.05")),
    ],
)
def test_amount(billing: BillingShop, given: dict[str, Any], shown: tuple[int | None, str]) -> None:
    base = {"product": billing.product, "currency": "usd", "recurring": MONTH}
    price = billing.v1.prices.create({**base, **given})
    assert (price.unit_amount, str(price.unit_amount_decimal)) == shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Missing required param: unit_amount"),
        ({"unit_amount_decimal": "many"}, "Invalid decimal: many"),
        ({"unit_amount": -1}, "non-negative"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume"}, "Missing required param: tiers"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [{"up_to": 5, "unit_amount": 1}]}, "last tier"),
        ({"unit_amount": 1, "recurring": {**MONTH, "usage_type": "metered", "meter": "mtr_nope"}}, "No such meter"),
    ],
)
def test_refused(billing: BillingShop, given: dict[str, Any], message: str) -> None:
    base = {"product": billing.product, "currency": "usd", "recurring": MONTH}
    with pytest.raises(stripe.InvalidRequestError, match=message):
        billing.v1.prices.create({**base, **given})


def test_tiers__need_a_recurring_price(billing: BillingShop) -> None:
    tiers = {"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [{"up_to": "inf", "unit_amount": 1}]}
    with pytest.raises(stripe.InvalidRequestError, match="not supported with tiered billing"):
        billing.v1.prices.create({"product": billing.product, "currency": "usd", **tiers})


@pytest.mark.parametrize(("version", "accepted"), [("2025-02-24.acacia", True), ("2025-03-31.basil", False)])
def test_metered_without_a_meter(billing: BillingShop, version: str, accepted: bool) -> None:
    client = billing.client(stripe_version=version).v1
    recurring = {**MONTH, "usage_type": "metered"}
    params = {"product": billing.product, "currency": "usd", "unit_amount": 5, "recurring": recurring}
    if accepted:
        assert client.prices.create(params).recurring.meter is None
        return
    with pytest.raises(stripe.InvalidRequestError, match="must be backed by meters"):
        client.prices.create(params)
    assert len(billing.fake.take_violations()) == 1
    assert client.prices.list({"recurring": {"usage_type": "metered"}}).data == []
