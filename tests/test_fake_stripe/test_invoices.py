"""Invoices that are charged, sent, paid by hand, written off."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain

DAY = 86400
SENT = {"collection_method": "send_invoice", "days_until_due": 14}


def latest(billing: BillingShop, subscription: dict[str, Any]) -> dict[str, Any]:
    """Return the latest invoice."""
    return billing.fake.get(billing.fake.get(subscription["id"])["latest_invoice"])


def test_sent__paid_in_time(billing: BillingShop) -> None:
    customer = billing.customer("")
    made = billing.subscribe(customer, billing.price(), **SENT)
    assert (made["status"], made["collection_method"], made["days_until_due"]) == ("active", "send_invoice", 14)
    assert latest(billing, made)["status"] == "draft"
    assert types(billing.fake.advance(hours=2), "invoice.") == ["finalized", "sent"]
    sent = latest(billing, made)
    assert sent["due_date"] - sent["status_transitions"]["finalized_at"] == 14 * DAY
    assert billing.v1.invoices.pay(sent["id"], {"payment_method": "pm_card_visa"}).status == "paid"
    billing.fake.advance(days=20)
    assert billing.status(made) == "active"


@pytest.mark.parametrize("after", ["canceled", "unpaid"])
def test_sent__not_paid(billing: BillingShop, after: str) -> None:
    billing.fake.after_retries = after
    customer = billing.customer("")
    made = billing.subscribe(customer, billing.price(recurring={"interval": "year"}), **SENT)
    billing.fake.advance(hours=2)
    # What the customer tries by hand says nothing of the subscription yet.
    with pytest.raises(stripe.CardError):
        billing.v1.invoices.pay(latest(billing, made)["id"], {"payment_method": "pm_card_chargeDeclined"})
    assert billing.status(made) == "active"
    events = billing.fake.advance(days=15)
    assert (types(events, "invoice."), types(events)) == (["overdue"], ["updated"])
    assert billing.status(made) == "past_due"
    assert billing.fake.get(customer)["delinquent"]
    billing.fake.advance(days=31)
    assert billing.status(made) == after


def test_sent__paid_late(billing: BillingShop) -> None:
    customer = billing.customer("")
    made = billing.subscribe(customer, billing.price(), **SENT)
    billing.fake.advance(days=16)
    events = billing.fake.customer_pays(made["id"])
    assert types(events, "invoice.") == ["paid", "payment_succeeded"]
    assert billing.status(made) == "active"
    assert not billing.fake.get(customer)["delinquent"]


def test_collection_method__changed(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    refused: list[tuple[dict[str, Any], str]] = [
        ({"collection_method": "send_invoice"}, "days_until_due"),
        ({"days_until_due": 3}, "days_until_due"),
    ]
    for params, param in refused:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            billing.v1.subscriptions.update(made["id"], params)
        assert caught.value.param == param
        with pytest.raises(stripe.InvalidRequestError):
            billing.subscribe(billing.customer(), billing.price(), **params)
    billing.v1.subscriptions.update(made["id"], SENT)
    billing.fake.advance(days=32)
    assert (latest(billing, made)["collection_method"], latest(billing, made)["status"]) == ("send_invoice", "open")
    back = billing.v1.subscriptions.update(made["id"], {"collection_method": "charge_automatically"})
    assert back.days_until_due is None
    billing.fake.advance(days=31)
    assert latest(billing, made)["status"] == "paid"


def test_send__by_hand(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(), **SENT)
    assert billing.v1.invoices.send_invoice(made["latest_invoice"]).status == "open"
    assert types(billing.fake.events(), "invoice.")[-1] == "sent"
    charged = billing.subscribe(billing.customer(), billing.price())
    with pytest.raises(stripe.InvalidRequestError):
        billing.v1.invoices.send_invoice(charged["latest_invoice"])


def test_pay__authentication(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(), payment_behavior="default_incomplete")
    with pytest.raises(stripe.CardError) as caught:
        billing.v1.invoices.pay(
            made["latest_invoice"], {"payment_method": "pm_card_authenticationRequired", "off_session": True}
        )
    assert (caught.value.http_status, caught.value.code) == (402, "invoice_payment_intent_requires_action")
    assert billing.status(made) == "incomplete"
    billing.fake.customer_authenticates(billing.fake.intent_of(made["id"]))
    assert (latest(billing, made)["status"], billing.status(made)) == ("paid", "active")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        billing.v1.invoices.pay(made["latest_invoice"])
    assert refused.value.code == "invoice_already_paid"


def test_pay__under_way(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(), payment_behavior="default_incomplete")
    bank = {"payment_method": "pm_usBankAccount_success"}
    assert billing.v1.invoices.pay(made["latest_invoice"], bank).status == "open"
    with pytest.raises(stripe.InvalidRequestError, match="processing") as refused:
        billing.v1.invoices.pay(made["latest_invoice"], {"payment_method": "pm_card_visa"})
    assert refused.value.code == "payment_intent_unexpected_state"
    billing.fake.settle_intent(billing.fake.intent_of(made["id"]))
    assert (latest(billing, made)["status"], billing.status(made)) == ("paid", "active")
    assert len(billing.fake.all("charge")) == 1


def test_pay__with_somebody_elses(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(), payment_behavior="default_incomplete")
    other = billing.fake.get(billing.customer())["invoice_settings"]["default_payment_method"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.invoices.pay(made["latest_invoice"], {"payment_method": other})
    assert caught.value.param == "payment_method"


def past_due(billing: BillingShop) -> dict[str, Any]:
    """Return a subscription whose renewal could not be charged."""
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    billing.fake.customer_changes_card(customer, "pm_card_chargeCustomerFail")
    billing.fake.advance(days=32)
    assert billing.status(made) == "past_due"
    return made


@pytest.mark.parametrize("generation", ["current", "acacia"])
def test_pay__out_of_band(billing: BillingShop, generation: str) -> None:
    billing.fake.generation = generation
    made = past_due(billing)
    invoice = latest(billing, made)["id"]
    before = len(billing.fake.events())
    billing.v1.invoices.pay(invoice, {"paid_out_of_band": True})
    events = billing.fake.events()[before:]
    assert types(events, "invoice.") == ["paid", "payment_succeeded"]
    assert not [event for event in events if event["type"] in {"charge.succeeded", "invoice_payment.paid"}]
    assert billing.fake.get(billing.fake.intent_of(invoice))["status"] == "canceled"
    assert billing.status(made) == "active"
    if generation == "acacia":
        (paid,) = (event["data"]["object"] for event in events if event["type"] == "invoice.paid")
        assert (paid["paid"], paid["paid_out_of_band"]) == (True, True)


@pytest.mark.parametrize(("how", "status"), [("void_invoice", "void"), ("mark_uncollectible", "uncollectible")])
def test_written_off__lets_a_subscription_go_on(billing: BillingShop, how: str, status: str) -> None:
    made = past_due(billing)
    invoice = getattr(billing.v1.invoices, how)(latest(billing, made)["id"])
    assert (invoice.status, billing.status(made)) == (status, "active")
    if status == "uncollectible":
        assert billing.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"}).status == "paid"
    else:
        with pytest.raises(stripe.InvalidRequestError):
            billing.v1.invoices.pay(invoice.id)


def test_finalize__then_charged(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    billing.fake.advance_to(made["items"]["data"][0]["current_period_end"])
    draft = latest(billing, made)
    assert draft["status"] == "draft"
    assert billing.v1.invoices.finalize_invoice(draft["id"]).status == "open"
    with pytest.raises(stripe.InvalidRequestError):
        billing.v1.invoices.finalize_invoice(draft["id"])
    billing.fake.advance(hours=2)
    assert latest(billing, made)["status"] == "paid"


def test_lines__more_than_are_embedded(billing: BillingShop) -> None:
    items = [{"price": billing.price(100)} for _number in range(12)]
    made = plain(billing.v1.subscriptions.create({"customer": billing.customer(), "items": items}))
    shown = billing.v1.invoices.retrieve(made["latest_invoice"])
    assert (len(shown.lines.data), shown.lines.has_more) == (10, True)
    pages = billing.v1.invoices.line_items.list(made["latest_invoice"], {"limit": 5})
    assert len({line.id for line in pages.auto_paging_iter()}) == 12
    old = billing.client(stripe_version="2024-06-20").v1.invoices.line_items.list(made["latest_invoice"])
    assert old.data[0]["plan"]["id"] == items[0]["price"]


def test_item_of_no_subscription__satisfies_stripes_schema(billing: BillingShop) -> None:
    wanted = {"customer": billing.customer(""), "amount": 500, "currency": "usd", "description": "Hours"}
    item = plain(billing.v1.invoice_items.create(wanted))
    (event,) = billing.fake.events("invoiceitem.created")
    for shown in (item, event["data"]["object"]):
        jsonschema.Draft202012Validator(openapi.response_schema("invoiceitem")).validate(shown)
        assert shown["parent"] is None


def test_sent__satisfies_stripes_schemas(billing: BillingShop) -> None:
    billing.subscribe(billing.customer(""), billing.price(), **SENT)
    billing.fake.advance(days=16)
    for event in billing.fake.events():
        obj = event["data"]["object"]
        if obj["object"] in {"invoice", "subscription"}:
            jsonschema.Draft202012Validator(openapi.response_schema(obj["object"])).validate(obj)
