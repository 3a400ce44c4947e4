"""How subscriptions end, and what of their money comes back."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain

DAY = 86400


def details(billing: BillingShop, subscription: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return comment, feedback and reason."""
    found = billing.fake.get(subscription["id"])["cancellation_details"]
    return found["comment"], found["feedback"], found["reason"]


def test_cancel__says_why(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    said = {"comment": "Too dear for me", "feedback": "too_expensive"}
    billing.v1.subscriptions.update(made["id"], {"cancel_at_period_end": True, "cancellation_details": said})
    assert details(billing, made) == ("Too dear for me", "too_expensive", "cancellation_requested")
    billing.v1.subscriptions.update(
        made["id"], {"cancel_at_period_end": False, "cancellation_details": {"comment": "", "feedback": ""}}
    )
    assert details(billing, made) == (None, None, None)
    billing.v1.subscriptions.cancel(made["id"], {"cancellation_details": {"feedback": "unused"}})
    assert details(billing, made) == (None, "unused", "cancellation_requested")
    billing.v1.subscriptions.update(made["id"], {"cancellation_details": {"comment": "Moved away"}})
    assert details(billing, made) == ("Moved away", "unused", "cancellation_requested")
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        billing.v1.subscriptions.update(made["id"], {"cancel_at_period_end": True})


def test_cancel__failed_payments(billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    billing.fake.customer_changes_card(customer, "pm_card_chargeCustomerFail")
    billing.fake.advance(days=31 + 16)
    assert (billing.status(made), details(billing, made)[2]) == ("canceled", "payment_failed")


def test_cancel_at__within_the_period_gives_a_credit(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(3000))
    item = made["items"]["data"][0]
    half = (item["current_period_start"] + item["current_period_end"]) // 2
    billing.v1.subscriptions.update(made["id"], {"cancel_at": half})
    found = billing.fake.get(made["id"])
    assert (found["cancel_at"], found["cancel_at_period_end"]) == (half, False)
    assert found["canceled_at"]
    assert [pending["amount"] for pending in billing.fake.all("invoiceitem")] == [-1500]
    billing.v1.subscriptions.update(made["id"], {"cancel_at": ""})
    assert billing.fake.get(made["id"])["canceled_at"] is None
    assert [pending["amount"] for pending in billing.fake.all("invoiceitem")] == [-1500, 1500]
    billing.v1.subscriptions.update(made["id"], {"cancel_at": half, "proration_behavior": "none"})
    assert len(billing.fake.all("invoiceitem")) == 2
    assert types(billing.fake.advance_to(half))[-1] == "deleted"
    assert billing.fake.get(made["id"])["ended_at"] == half


def test_cancel_at__in_a_later_period_bills_a_part_of_it(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(3000))
    end = made["items"]["data"][0]["current_period_end"]
    billing.v1.subscriptions.update(made["id"], {"cancel_at": end + 10 * DAY, "proration_behavior": "none"})
    billing.fake.advance_to(end)
    (line,) = billing.v1.invoices.list({"subscription": made["id"]}).data[0].lines.data
    assert 900 < line.amount < 1100
    assert line.period.end == end + 10 * DAY
    assert types(billing.fake.advance(days=11))[-1] == "deleted"


def test_cancel_at__named_periods(billing: BillingShop) -> None:
    items = [{"price": billing.price(20000, {"interval": "year"})}, {"price": billing.price(500)}]
    made = plain(billing.v1.subscriptions.create({"customer": billing.customer(), "items": items}))
    yearly, monthly = (item["current_period_end"] for item in made["items"]["data"])
    for name, at in (("min_period_end", monthly), ("max_period_end", yearly)):
        updated = billing.v1.subscriptions.update(
            made["id"],
            {"cancel_at": name, "proration_behavior": "none"},
        )
        assert updated.cancel_at == at
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscriptions.update(made["id"], {"cancel_at": monthly - 400 * DAY})
    assert caught.value.param == "cancel_at"


def test_create__that_ends_within_its_first_period(billing: BillingShop) -> None:
    at = billing.fake.state.now() + 10 * DAY
    made = billing.subscribe(billing.customer(), billing.price(3000), cancel_at=at, expand=["latest_invoice"])
    assert 900 < made["latest_invoice"]["amount_paid"] < 1100
    assert types(billing.fake.advance(days=11)) == ["deleted"]


@pytest.mark.parametrize("invoiced", [True, False])
def test_cancel__pending_prorations(billing: BillingShop, invoiced: bool) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price(3000))
    item = made["items"]["data"][0]["id"]
    billing.v1.subscriptions.update(made["id"], {"items": [{"id": item, "price": billing.price(1000)}]})
    invoices = len(billing.fake.all("invoice"))
    if not invoiced:
        billing.fake.add_invoice_item(made["id"], 500, "Set-up")
    billing.v1.subscriptions.cancel(made["id"], {"invoice_now": invoiced})
    waiting = billing.v1.invoice_items.list({"customer": customer, "pending": True}).data
    if not invoiced:
        assert [pending.amount for pending in waiting] == [500]
        assert (billing.fake.get(customer)["balance"], len(billing.fake.all("invoice"))) == (0, invoices)
        billing.v1.invoice_items.delete(waiting[0].id)
        assert billing.v1.invoice_items.list({"customer": customer}).data == []
        return
    assert waiting == []
    credit = billing.v1.invoices.list({"customer": customer}).data[0]
    assert (credit.status, credit.amount_due) == ("paid", 0)
    assert billing.fake.get(customer)["balance"] == credit.total in range(-2000, -1990)
    on_it = billing.v1.invoice_items.list({"invoice": credit.id}).data
    assert {line.parent.subscription_item_details.invoice_item for line in credit.lines.data if line.parent} == {
        pending.id for pending in on_it
    }


def test_period_end__collects_what_is_pending(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(3000))
    billing.v1.subscriptions.update(
        made["id"], {"items": [{"price": billing.price(1000)}], "cancel_at_period_end": True}
    )
    events = billing.fake.advance(days=32)
    assert types(events, "invoice.")[-4:] == ["created", "finalized", "paid", "payment_succeeded"]
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].amount_paid in range(990, 1001)
    assert billing.status(made) == "canceled"


def test_credit_note__of_a_paid_invoice(billing: BillingShop) -> None:
    customer = billing.customer()
    invoice = billing.subscribe(customer, billing.price(3000))["latest_invoice"]
    intent = billing.fake.intent_of(invoice)
    note = billing.v1.credit_notes.create(
        {
            "invoice": invoice,
            "amount": 1000,
            "refund_amount": 600,
            "credit_amount": 300,
            "out_of_band_amount": 100,
            "reason": "product_unsatisfactory",
        }
    )
    assert (note.type, note.post_payment_amount, note.out_of_band_amount) == ("post_payment", 1000, 100)
    refund = billing.v1.refunds.retrieve(str(note.refunds[0].refund))
    assert (refund.amount, refund.payment_intent) == (600, intent)
    assert billing.fake.get(customer)["balance"] == -300
    assert billing.fake.get(invoice)["post_payment_credit_notes_amount"] == 1000
    assert [event["type"] for event in billing.fake.events()][-1] == "credit_note.created"
    for wrong in ({"amount": 500}, {"amount": 500, "refund_amount": 400}, {"amount": 2001, "refund_amount": 2001}, {}):
        with pytest.raises(stripe.InvalidRequestError):
            billing.v1.credit_notes.create({"invoice": invoice, **wrong})
    line = {
        "type": "invoice_line_item",
        "invoice_line_item": billing.fake.get(invoice)["lines"]["data"][0]["id"],
        "amount": 2000,
    }
    preview = {"invoice": invoice, "lines": [line], "refund_amount": 2000}
    assert billing.v1.credit_notes.preview(preview).amount == 2000
    assert [found.id for found in billing.v1.credit_notes.list({"invoice": invoice}).data] == [note.id]
    assert billing.v1.credit_notes.update(note.id, {"memo": "Sorry"}).memo == "Sorry"
    old = billing.client(stripe_version="2024-06-20").v1.credit_notes.retrieve(note.id)
    assert (old["refund"], "refunds" in old) == (refund.id, False)
    for shown in billing.fake.all("credit_note"):
        jsonschema.Draft202012Validator(openapi.response_schema("credit_note")).validate(shown)


def test_credit_note__of_an_open_invoice(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(3000), payment_behavior="default_incomplete")
    invoice = made["latest_invoice"]
    note = billing.v1.credit_notes.create({"invoice": invoice, "amount": 1000})
    assert (note.type, billing.fake.get(invoice)["amount_due"]) == ("pre_payment", 2000)
    assert billing.v1.credit_notes.void_credit_note(note.id).status == "void"
    assert billing.fake.get(invoice)["amount_due"] == 3000
    billing.v1.credit_notes.create({"invoice": invoice, "amount": 3000})
    assert (billing.fake.get(invoice)["status"], billing.status(made)) == ("paid", "active")


def test_refund__of_an_invoices_payment(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(3000))
    payment = billing.v1.invoice_payments.list({"invoice": made["latest_invoice"]}).data[0].payment
    refund = billing.v1.refunds.create({"payment_intent": str(payment.payment_intent), "amount": 1200})
    assert refund.status == "succeeded"
    # A refund alone says nothing on the invoice.
    assert billing.fake.get(made["latest_invoice"])["post_payment_credit_notes_amount"] == 0
    assert billing.fake.get(made["latest_invoice"])["status"] == "paid"
