"""Subscriptions of several items: what they can hold, and what a change of one costs."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain

OLD = "2024-06-20"


def several(billing: BillingShop, customer: str, *amounts: int, **params: Any) -> dict[str, Any]:
    """Subscribe a customer to one item of each amount."""
    items = [{"price": billing.price(amount)} for amount in amounts]
    return plain(billing.v1.subscriptions.create({"customer": customer, "items": items, **params}))


def ids(subscription: dict[str, Any]) -> list[str]:
    """Return the ids of the embedded items."""
    return [item["id"] for item in subscription["items"]["data"]]


def listed(billing: BillingShop, subscription: dict[str, Any], **params: Any) -> list[str]:
    """Return the ids of the items as their own list shows them."""
    return [item.id for item in billing.v1.subscription_items.list({"subscription": subscription["id"], **params}).data]


def test_create__one_line_each(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), 2000, 500, expand=["latest_invoice"])
    assert [line["amount"] for line in made["latest_invoice"]["lines"]["data"]] == [2000, 500]
    details = [line["parent"]["subscription_item_details"] for line in made["latest_invoice"]["lines"]["data"]]
    assert [found["subscription_item"] for found in details] == ids(made)
    assert made["latest_invoice"]["amount_paid"] == 2500


def test_items__added_changed_and_removed_in_one_request(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), 2000, 500)
    kept, gone = ids(made)
    dear = billing.price(4000)
    change = {"items": [{"id": kept, "price": dear}, {"price": billing.price(100)}, {"id": gone, "deleted": True}]}
    updated = plain(billing.v1.subscriptions.update(made["id"], change))
    assert ids(updated)[0] == kept
    assert [item["price"]["unit_amount"] for item in updated["items"]["data"]] == [4000, 100]
    assert [line["amount"] > 0 for line in billing.fake.all("invoiceitem")] == [False, True, False, True]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscription_items.retrieve(gone)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_item__its_own_endpoints(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), 2000)
    item = billing.v1.subscription_items.create(
        {"subscription": made["id"], "price": billing.price(500), "quantity": 2, "metadata": {"kind": "add-on"}}
    )
    assert types(billing.fake.events())[-1] == "updated"
    assert (item.quantity, item.metadata.kind) == (2, "add-on")
    changed = billing.v1.subscription_items.update(item.id, {"quantity": 3, "proration_behavior": "none"})
    assert (changed.id, changed.quantity) == (item.id, 3)
    assert billing.v1.subscription_items.retrieve(item.id).quantity == 3
    assert listed(billing, made) == [*ids(made), item.id]
    assert billing.v1.subscription_items.delete(item.id).deleted
    assert listed(billing, made) == ids(made)
    with pytest.raises(stripe.InvalidRequestError, match="at least one active plan"):
        billing.v1.subscription_items.delete(ids(made)[0])
    assert billing.status(made) == "active"


def test_items__more_than_are_embedded(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), *range(100, 1300, 100))
    assert (len(made["items"]["data"]), made["items"]["has_more"]) == (10, True)
    event = billing.fake.events("customer.subscription.created")[0]["data"]["object"]
    assert (len(event["items"]["data"]), event["items"]["has_more"]) == (10, True)
    first = listed(billing, made, limit=7)
    rest = listed(billing, made, limit=7, starting_after=first[-1])
    assert (first + rest)[:10] == ids(made)
    assert (len(first), len(rest)) == (7, 5)
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].total == 7800


@pytest.mark.parametrize("generation", ["acacia", "legacy"])
def test_items__older_shapes(billing: BillingShop, generation: str) -> None:
    billing.fake.generation = generation
    made = several(billing, billing.customer(), 2000, 500)
    old = billing.client(stripe_version=OLD).v1
    shown = plain(old.subscriptions.retrieve(made["id"]))
    assert (shown["plan"], shown["quantity"]) == (None, None)
    assert shown["current_period_end"] == made["items"]["data"][0]["current_period_end"]
    assert "current_period_end" not in plain(old.subscription_items.retrieve(ids(made)[0]))


@pytest.mark.parametrize(
    ("reason", "param"),
    [
        ("inactive", "items[1][price]"),
        ("eur", "items[1][price]"),
        ("same", "items[1][price]"),
        ("metered", "items[1][quantity]"),
        ("many", "items"),
        ("interval", "items"),
    ],
)
def test_create__refused(billing: BillingShop, reason: str, param: str) -> None:
    meter = {"display_name": "Calls", "event_name": "call", "default_aggregation": {"formula": "sum"}}
    wanted: dict[str, Any] = {
        "inactive": lambda: [{"price": billing.price(active=False)}],
        "eur": lambda: [{"price": billing.price(currency="eur")}],
        "same": lambda: [{"price": price}],
        "metered": lambda: [{"price": billing.price(1, metered()), "quantity": 1}],
        "many": lambda: [{"price": billing.price()} for _number in range(20)],
        "interval": lambda: [{"price": billing.price(recurring={"interval": "year"})}],
    }

    def metered() -> dict[str, Any]:
        made = billing.v1.billing.meters.create(meter)
        return {"interval": "month", "usage_type": "metered", "meter": made.id}

    price = billing.price()
    params = {"billing_mode": {"type": "classic"}, "items": [{"price": price}, *wanted[reason]()]}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.subscribe(billing.customer(), price, **params)
    assert (caught.value.http_status, caught.value.param) == (400, param)
    assert billing.fake.all("subscription") == billing.fake.all("subscription_item") == []


def test_update__refused(billing: BillingShop) -> None:
    customer = billing.customer()
    made, other = several(billing, customer, 2000, 500), several(billing, customer, 700)
    first, second = made["items"]["data"]
    refused: list[tuple[dict[str, Any], str]] = [
        ({"id": ids(other)[0], "quantity": 2}, "items[0][id]"),
        ({"price": second["price"]["id"]}, "items[2][price]"),
        ({"id": first["id"], "price": second["price"]["id"]}, "items[1][price]"),
        ({"price": billing.price(currency="eur")}, "items[2][price]"),
        ({"price": billing.price(active=False)}, "items[0][price]"),
        ({"id": first["id"], "deleted": True, "clear_usage": True}, "items[0][clear_usage]"),
    ]
    for item, param in refused:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            billing.v1.subscriptions.update(made["id"], {"items": [item]})
        assert caught.value.param == param
    with pytest.raises(stripe.InvalidRequestError, match="at least one active plan"):
        billing.v1.subscriptions.update(made["id"], {"items": [{"id": item, "deleted": True} for item in ids(made)]})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscription_items.create({"subscription": made["id"], "price": billing.price(active=False)})
    assert caught.value.param == "price"
    assert listed(billing, made) == ids(made)
    # What was archived since goes on, and its quantity can change.
    billing.v1.prices.update(first["price"]["id"], {"active": False})
    assert billing.v1.subscription_items.update(first["id"], {"quantity": 2}).quantity == 2


def test_currency__one_at_a_time_for_a_customer(billing: BillingShop) -> None:
    customer, euro = billing.customer(), billing.price(currency="eur")
    made = several(billing, customer, 2000)
    with pytest.raises(stripe.InvalidRequestError, match="cannot combine currencies on a single customer"):
        billing.subscribe(customer, euro)
    session = {"mode": "subscription", "success_url": "https://shop.example/", "line_items": [{"price": euro}]}
    with pytest.raises(stripe.InvalidRequestError, match="cannot combine currencies"):
        billing.v1.checkout.sessions.create({**session, "customer": customer})
    billing.v1.subscriptions.cancel(made["id"])
    assert billing.subscribe(customer, euro)["currency"] == "eur"


def test_mixed_intervals__are_billed_each_at_its_time(billing: BillingShop) -> None:
    customer = billing.customer()
    items = [{"price": billing.price(20000, {"interval": "year"})}, {"price": billing.price(500)}]
    made = plain(billing.v1.subscriptions.create({"customer": customer, "items": items}))
    assert made["billing_mode"]["type"] == "flexible"
    yearly, monthly = made["items"]["data"]
    assert yearly["current_period_end"] > monthly["current_period_end"]
    old = billing.client(stripe_version=OLD).v1.subscriptions.retrieve(made["id"])
    assert old["current_period_end"] == monthly["current_period_end"]
    billing.fake.advance_to(monthly["current_period_end"])
    renewal = billing.v1.invoices.list({"subscription": made["id"]}).data[0]
    assert [line.amount for line in renewal.lines.data] == [500]
    after = billing.fake.get(made["id"])["items"]["data"]
    assert after[0]["current_period_end"] == yearly["current_period_end"]
    assert after[1]["current_period_start"] == monthly["current_period_end"]
    billing.fake.advance_to(yearly["current_period_end"])
    assert [line.amount for line in billing.v1.invoices.list({"subscription": made["id"]}).data[0].lines.data] == [
        20000,
        500,
    ]


def test_mixed_intervals__not_for_older_versions_by_default(billing: BillingShop) -> None:
    items = [{"price": billing.price(20000, {"interval": "year"})}, {"price": billing.price(500)}]
    old = billing.client(stripe_version=OLD).v1
    with pytest.raises(stripe.InvalidRequestError, match="same interval"):
        old.subscriptions.create({"customer": billing.customer(), "items": items})


def test_item__of_another_interval_joins_later(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), 2000)
    billing.fake.advance(days=10)
    item = billing.v1.subscription_items.create(
        {"subscription": made["id"], "price": billing.price(36500, {"interval": "year"})}
    )
    assert item.current_period_start == made["items"]["data"][0]["current_period_start"]
    (pending,) = billing.fake.all("invoiceitem")
    assert 35400 < pending["amount"] < 35600
    assert billing.fake.get(made["id"])["billing_cycle_anchor"] == made["billing_cycle_anchor"]


def test_metered_item__is_billed_when_it_goes_unless_cleared(billing: BillingShop) -> None:
    customer = billing.customer()
    meter = billing.v1.billing.meters.create(
        {"display_name": "Calls", "event_name": "call", "default_aggregation": {"formula": "sum"}}
    )
    made = several(billing, customer, 2000)
    metered = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    for cleared, bills in ((True, []), (False, [75])):
        item = billing.v1.subscription_items.create({"subscription": made["id"], "price": billing.price(3, metered)})
        assert "quantity" not in plain(item)
        payload = {"stripe_customer_id": customer, "value": "25"}
        billing.v1.billing.meter_events.create({"event_name": "call", "payload": payload})
        billing.fake.advance(seconds=5)
        billing.v1.subscription_items.delete(item.id, {"clear_usage": cleared})
        assert [line["amount"] for line in billing.fake.all("invoiceitem")] == bills


def test_dashboard__reorders_replaces_adds_and_removes(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), 2000, 500, 100)
    first, second, third = ids(made)
    (event,) = billing.fake.reorder_items(made["id"])
    assert event["type"] == "customer.subscription.updated"
    assert ids(event["data"]["object"]) == [third, second, first]
    assert ids(billing.fake.reorder_items(made["id"], [second])[0]["data"]["object"])[0] == second
    change = [{"id": second, "price": billing.price(700)}, {"price": billing.price(50)}, {"id": third, "deleted": True}]
    events = billing.fake.change_subscription(made["id"], {"items": change, "proration_behavior": "none"})
    assert types(events) == ["updated"]
    shown = events[-1]["data"]["object"]["items"]["data"]
    assert {item["price"]["unit_amount"] for item in shown} == {2000, 700, 50}
    billing.fake.advance(days=32)
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].total == 2750


def test_checkout__with_several_prices(billing: BillingShop) -> None:
    prices = [billing.price(2000), billing.price(500)]
    lines = [{"price": prices[0], "quantity": 1}, {"price": prices[1], "quantity": 3}]
    base = {"mode": "subscription", "success_url": "https://shop.example/"}
    session = billing.v1.checkout.sessions.create({**base, "line_items": lines})
    assert session.amount_total == 3500
    billing.fake.complete_checkout(session.id)
    found = billing.fake.get(billing.fake.get(session.id)["subscription"])
    assert [(item["price"]["id"], item["quantity"]) for item in found["items"]["data"]] == [
        (prices[0], 1),
        (prices[1], 3),
    ]
    billing.v1.prices.update(prices[1], {"active": False})
    for wrong, param in ((lines, "line_items[1][price]"), ([lines[0], lines[0]], "line_items[1][price]")):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            billing.v1.checkout.sessions.create({**base, "line_items": wrong})
        assert caught.value.param == param


def test_items__satisfy_stripes_schemas(billing: BillingShop) -> None:
    made = several(billing, billing.customer(), 2000, 500)
    deleted = billing.v1.subscription_items.delete(ids(made)[0])
    jsonschema.Draft202012Validator(openapi.response_schema("deleted_subscription_item")).validate(plain(deleted))
    for kind in ("subscription", "subscription_item"):
        for obj in billing.fake.all(kind):
            jsonschema.Draft202012Validator(openapi.response_schema(kind)).validate(obj)
