"""What changes of a subscription's items cost, and what becomes of them while nobody pays."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain

HOUR = 3600


def half_way(billing: BillingShop, *amounts: int, method: str = "pm_card_visa") -> dict[str, Any]:
    """Return a subscription in the middle of its first period, whose customer then has another card."""
    customer = billing.customer()
    items = [{"price": billing.price(amount)} for amount in amounts]
    made = plain(billing.v1.subscriptions.create({"customer": customer, "items": items}))
    period = made["items"]["data"][0]
    half = (period["current_period_end"] - period["current_period_start"]) // 2
    billing.fake.advance(seconds=half)
    billing.fake.customer_changes_card(customer, method)
    return made


def change_of(subscription: dict[str, Any], price: str, **params: Any) -> dict[str, Any]:
    """Return the parameters that replace the price of the first item and add another item."""
    item = subscription["items"]["data"][0]["id"]
    added = params.pop("add", None)
    return {"items": [{"id": item, "price": price}, *([{"price": added}] if added else [])], **params}


def test_prorations__item_by_item(billing: BillingShop) -> None:
    made = half_way(billing, 2000, 600)
    change = change_of(made, billing.price(4000), add=billing.price(1000), proration_behavior="always_invoice")
    change["items"].append({"id": made["items"]["data"][1]["id"], "quantity": 3})
    updated = plain(billing.v1.subscriptions.update(made["id"], {**change, "expand": ["latest_invoice"]}))
    lines = updated["latest_invoice"]["lines"]["data"]
    expected = [-1000, 2000, -300, 900, 500]
    assert [line["amount"] for line in lines] == pytest.approx(expected, abs=2)
    assert len({line["parent"]["subscription_item_details"]["subscription_item"] for line in lines}) == 3
    assert all(line["parent"]["subscription_item_details"]["proration"] for line in lines)
    assert updated["latest_invoice"]["amount_paid"] == sum(line["amount"] for line in lines)


def test_prorations__of_a_first_period_cut_short(billing: BillingShop) -> None:
    """What was paid for a part of a period is all that comes back of it."""
    anchor = billing.fake.state.now() + 10 * 24 * HOUR
    made = billing.subscribe(
        billing.customer(), billing.price(3000), billing_cycle_anchor=anchor, expand=["latest_invoice"]
    )
    paid = made["latest_invoice"]["amount_paid"]
    assert 900 < paid < 1100
    billing.v1.subscriptions.cancel(made["id"], {"prorate": True})
    assert [item["amount"] for item in billing.fake.all("invoiceitem")] == pytest.approx([-paid], abs=2)


@pytest.mark.parametrize(("behavior", "status"), [("default_incomplete", "past_due"), ("allow_incomplete", "past_due")])
def test_unpaid_change__is_made_all_the_same(billing: BillingShop, behavior: str, status: str) -> None:
    made = half_way(billing, 2000, method="pm_card_authenticationRequired")
    price = billing.price(9000)
    change = change_of(made, price, proration_behavior="always_invoice", payment_behavior=behavior)
    updated = plain(billing.v1.subscriptions.update(made["id"], change))
    assert updated["items"]["data"][0]["price"]["id"] == price
    assert (updated["status"], billing.status(made)) == (status, status)
    intent = billing.fake.intent_of(made["id"])
    if behavior == "default_incomplete":
        assert billing.fake.get(intent)["status"] == "requires_confirmation"
        billing.fake.customer_pays(made["id"])
    else:
        billing.fake.customer_authenticates(intent)
    assert billing.status(made) == "active"


@pytest.mark.parametrize("method", ["pm_card_authenticationRequired", "pm_card_chargeCustomerFail"])
@pytest.mark.parametrize("endpoint", ["subscription", "item"])
def test_error_if_incomplete__changes_nothing(billing: BillingShop, method: str, endpoint: str) -> None:
    made = half_way(billing, 2000, method=method)
    before = plain(billing.v1.subscriptions.retrieve(made["id"]))
    how = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
    paths = {
        "subscription": (f"/v1/subscriptions/{made['id']}", change_of(made, billing.price(9000), **how)),
        "item": ("/v1/subscription_items", {"subscription": made["id"], "price": billing.price(900), **how}),
    }
    path, params = paths[endpoint]
    client = billing.client()
    with pytest.raises(stripe.CardError) as caught:
        client.raw_request("post", path, **params)
    assert caught.value.http_status == 402
    assert plain(billing.v1.subscriptions.retrieve(made["id"])) == before
    assert len(billing.fake.all("subscription_item")) == 1


def pending(billing: BillingShop, made: dict[str, Any], price: str, **params: Any) -> dict[str, Any]:
    """Ask for a change that waits for its payment."""
    how = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}
    return plain(billing.v1.subscriptions.update(made["id"], change_of(made, price, **how, **params)))


def test_pending_update__applied_when_paid(billing: BillingShop) -> None:
    made = half_way(billing, 2000, 600, method="pm_card_authenticationRequired")
    price = billing.price(9000)
    waits = pending(billing, made, price, add=billing.price(100))
    update = waits["pending_update"]
    assert [item["price"]["unit_amount"] for item in update["subscription_items"]] == [9000, 600, 100]
    assert update["expires_at"] - billing.fake.state.now() in range(23 * HOUR - 5, 23 * HOUR + 1)
    assert [item["price"]["unit_amount"] for item in waits["items"]["data"]] == [2000, 600]
    assert waits["status"] == "active"
    jsonschema.Draft202012Validator(openapi.response_schema("subscription")).validate(billing.fake.get(made["id"]))
    events = billing.fake.customer_authenticates(billing.fake.intent_of(made["id"]))
    assert types(events) == ["updated", "pending_update_applied"]
    applied = billing.fake.get(made["id"])
    assert applied["pending_update"] is None
    assert [item["id"] for item in applied["items"]["data"]] == [item["id"] for item in update["subscription_items"]]
    assert billing.v1.subscription_items.retrieve(update["subscription_items"][2]["id"]).price.unit_amount == 100


@pytest.mark.parametrize("how", ["expires", "is voided", "is replaced"])
def test_pending_update__dropped(billing: BillingShop, how: str) -> None:
    made = half_way(billing, 2000, method="pm_card_chargeCustomerFail")
    waits = pending(billing, made, billing.price(9000))
    invoice = waits["latest_invoice"]
    if how == "expires":
        events = billing.fake.advance_to(waits["pending_update"]["expires_at"])
        assert types(events)[-2:] == ["updated", "pending_update_expired"]
    elif how == "is voided":
        billing.v1.invoices.void_invoice(invoice)
    else:
        newer = pending(billing, made, billing.price(7000))
        assert newer["pending_update"]["subscription_items"][0]["price"]["unit_amount"] == 7000
    assert billing.fake.get(invoice)["status"] == "void"
    found = billing.fake.get(made["id"])
    assert found["items"]["data"][0]["price"]["unit_amount"] == 2000
    assert (found["pending_update"] is None) is (how != "is replaced")
    assert billing.status(made) == "active"


def test_pending_update__of_an_item(billing: BillingShop) -> None:
    made = half_way(billing, 2000, method="pm_card_chargeCustomerFail")
    item = billing.v1.subscription_items.create(
        {
            "subscription": made["id"],
            "price": billing.price(900),
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        }
    )
    assert len(billing.fake.get(made["id"])["items"]["data"]) == 1
    billing.fake.customer_pays(made["id"])
    assert billing.fake.get(made["id"])["items"]["data"][1]["id"] == item.id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscription_items.update(
            item.id, {"metadata": {"a": "b"}, "payment_behavior": "pending_if_incomplete"}
        )
    assert caught.value.param == "metadata"
