"""Subscriptions from their beginning to their end, as time and customers make them go."""

from __future__ import annotations

from datetime import UTC, datetime

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.fake_stripe.periods import period_end
from tests.test_fake_stripe.billing_shop import BillingShop, statuses, types

DAY = 86400


def test_whole_life(billing: BillingShop) -> None:
    fake, v1 = billing.fake, billing.v1
    customer, price, dear = billing.customer(), billing.price(2000), billing.price(5000)
    made = billing.subscribe(customer, price, trial_period_days=14)
    assert made["status"] == "trialing"
    begun = fake.advance(days=15)
    assert types(begun) == ["trial_will_end", "updated"]
    assert types(begun, "invoice.") == ["created", "finalized", "paid", "payment_succeeded"]
    assert billing.status(made) == "active"
    renewed = fake.advance(days=31)
    assert types(renewed, "invoice.") == ["upcoming", "created", "finalized", "paid", "payment_succeeded"]
    fake.customer_changes_card(customer, "pm_card_chargeCustomerFail")
    failed = fake.advance(days=31)
    assert types(failed, "invoice.") == ["upcoming", "created", "finalized", "payment_failed"]
    assert statuses(failed) == ["active", "past_due"]
    assert fake.get(customer)["delinquent"]
    fake.customer_changes_card(customer, "pm_card_visa")
    recovered = fake.advance(days=4)
    assert types(recovered, "invoice.") == ["paid", "payment_succeeded"]
    assert statuses(recovered) == ["active"]
    item = made["items"]["data"][0]["id"]
    change = {"items": [{"id": item, "price": dear}]}
    upgraded = v1.subscriptions.update(
        made["id"], {**change, "proration_behavior": "always_invoice", "expand": ["latest_invoice"]}
    )
    assert 0 < upgraded.latest_invoice.amount_paid < 3000
    v1.subscriptions.update(made["id"], {"items": [{"id": item, "price": price}]})
    assert [line["amount"] > 0 for line in fake.all("invoiceitem")] == [False, True]
    next_invoice = fake.advance(days=31)[-1]["data"]["object"]
    assert next_invoice["amount_remaining"] == 0
    assert len(v1.invoices.list({"subscription": made["id"]}).data[0].lines.data) == 3
    v1.subscriptions.update(made["id"], {"cancel_at_period_end": True})
    assert fake.get(made["id"])["cancel_at"] == fake.get(made["id"])["items"]["data"][0]["current_period_end"]
    v1.subscriptions.update(made["id"], {"cancel_at_period_end": False})
    v1.subscriptions.update(made["id"], {"cancel_at_period_end": True})
    ended = fake.advance(days=62)
    assert types(ended) == ["deleted"]
    assert types(ended, "invoice.") == []
    assert fake.get(made["id"])["ended_at"]


def test_first_payment__authenticated(billing: BillingShop) -> None:
    customer = billing.customer("")
    settings = {"save_default_payment_method": "on_subscription"}
    made = billing.subscribe(
        customer,
        billing.price(),
        payment_behavior="default_incomplete",
        payment_settings=settings,
        expand=["latest_invoice.confirmation_secret", "latest_invoice.payments"],
    )
    intent = billing.fake.intent_of(made["id"])
    assert made["latest_invoice"]["confirmation_secret"]["client_secret"].startswith(intent)
    assert made["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"] == intent
    waits = billing.fake.customer_pays(made["id"], "pm_card_authenticationRequiredOnSetup")
    assert types(waits, "invoice.") == ["payment_action_required", "payment_failed"]
    assert billing.status(made) == "incomplete"
    assert types(billing.fake.customer_authenticates(intent))[-1] == "updated"
    assert billing.status(made) == "active"
    method = billing.fake.get(made["id"])["default_payment_method"]
    assert billing.fake.get(method)["customer"] == customer
    billing.fake.advance(days=31)
    assert billing.status(made) == "active"


def test_first_payment__abandoned(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(), payment_behavior="default_incomplete")
    assert billing.fake.advance(hours=22) == []
    events = billing.fake.advance(hours=2)
    assert [event["type"] for event in events] == [
        "payment_intent.canceled",
        "invoice.voided",
        "customer.subscription.updated",
    ]
    assert billing.status(made) == "incomplete_expired"


@pytest.mark.parametrize("after", ["canceled", "unpaid", "past_due"])
def test_retries_run_out(billing: BillingShop, after: str) -> None:
    billing.fake.after_retries = after
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    billing.fake.customer_changes_card(customer, "pm_card_chargeCustomerFail")
    events = billing.fake.advance(days=31 + 16)
    assert types(events, "invoice.").count("payment_failed") == 4
    assert billing.status(made) == after


def test_trial__ends_without_a_card(billing: BillingShop) -> None:
    ending = {"end_behavior": {"missing_payment_method": "pause"}}
    customer = billing.customer("")
    made = billing.subscribe(customer, billing.price(), trial_period_days=2, trial_settings=ending)
    assert types(billing.fake.events())[-1] == "trial_will_end"  # shorter than the warning
    assert made["pending_setup_intent"].startswith("seti_")
    assert types(billing.fake.advance(days=3)) == ["updated", "paused"]
    assert billing.status(made) == "paused"
    billing.fake.customer_changes_card(customer, "pm_card_visa")
    billing.v1.subscriptions.resume(made["id"])
    assert types(billing.fake.events())[-2:] == ["updated", "resumed"]
    assert billing.status(made) == "active"


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
def test_pause(billing: BillingShop, behavior: str, status: str) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    pause = {"behavior": behavior, "resumes_at": billing.fake.state.now() + 40 * DAY}
    billing.v1.subscriptions.update(made["id"], {"pause_collection": pause})
    billing.fake.advance(days=32)
    assert billing.status(made) == "active"
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].status == status
    billing.fake.advance(days=10)
    assert billing.fake.get(made["id"])["pause_collection"] is None


def test_pending_update__applied_or_given_up(billing: BillingShop) -> None:
    customer, dear = billing.customer(), billing.price(5000)
    made = billing.subscribe(customer, billing.price())
    billing.fake.customer_changes_card(customer, "pm_card_authenticationRequired")
    change = {"items": [{"id": made["items"]["data"][0]["id"], "price": dear}], "proration_behavior": "always_invoice"}
    pending = {**change, "payment_behavior": "pending_if_incomplete"}
    updated = billing.v1.subscriptions.update(made["id"], pending)
    assert updated["items"].data[0].price.id != dear
    assert types(billing.fake.advance(hours=24)) == ["updated", "pending_update_expired"]
    assert billing.v1.invoices.list({"customer": customer}).data[0].status == "void"
    billing.v1.subscriptions.update(made["id"], pending)
    events = billing.fake.customer_authenticates(billing.fake.intent_of(made["id"]))
    assert types(events) == ["updated", "pending_update_applied"]
    assert billing.fake.get(made["id"])["items"]["data"][0]["price"]["id"] == dear
    with pytest.raises(stripe.InvalidRequestError, match="cancel_at_period_end"):
        billing.v1.subscriptions.update(made["id"], {**pending, "cancel_at_period_end": True})


def test_customer_deleted(billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    assert [event["type"] for event in billing.fake.delete_customer(customer)] == [
        "customer.subscription.deleted",
        "customer.deleted",
    ]
    assert billing.v1.customers.retrieve(customer).deleted
    assert billing.status(made) == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.subscribe(customer, billing.price())
    assert (caught.value.code, caught.value.param) == ("resource_missing", "customer")


def test_month_ends() -> None:
    """A subscription of the 31st renews on the last day of a shorter month, and on the 31st again."""
    anchor = int(datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp())
    recurring = {"interval": "month", "interval_count": 1}
    days, at = [], anchor
    for _month in range(3):
        at = period_end(anchor, at, recurring)
        days.append(datetime.fromtimestamp(at, UTC).strftime("%m-%d"))
    assert days == ["02-28", "03-31", "04-30"]


@pytest.mark.parametrize("generation", ["current", "acacia", "legacy"])
def test_shapes(billing: BillingShop, generation: str) -> None:
    billing.fake.generation = generation
    coupon = billing.fake.coupon(percent_off=10, duration="repeating", duration_in_months=3)
    code = billing.fake.promotion_code(coupon["id"], "TEN")
    made = billing.subscribe(billing.customer(), billing.price(), discounts=[{"promotion_code": code["id"]}])
    subscription = billing.fake.events("customer.subscription.created")[0]["data"]["object"]
    invoice = billing.fake.events("invoice.paid")[0]["data"]["object"]
    item = subscription["items"]["data"][0]
    assert invoice["total"] == 1800
    if generation == "current":
        assert "current_period_end" not in subscription
        assert item["current_period_end"] == made["items"]["data"][0]["current_period_end"]
        assert invoice["parent"]["subscription_details"]["subscription"] == made["id"]
        assert {"subscription", "payment_intent", "payments", "confirmation_secret"}.isdisjoint(invoice)
        return
    assert "current_period_end" not in item
    assert subscription["current_period_end"] == made["items"]["data"][0]["current_period_end"]
    assert subscription["plan"]["id"] == item["price"]["id"]
    assert subscription["discount"]["coupon"]["id"] == coupon["id"]
    assert (invoice["subscription"], "parent" in invoice) == (made["id"], False)
    assert invoice["payment_intent"] == billing.fake.intent_of(made["id"])
    assert billing.fake.events("charge.succeeded")[0]["data"]["object"]["invoice"] == invoice["id"]
    client = billing.client(stripe_version={"acacia": "2025-02-24.acacia", "legacy": "2017-08-15"}[generation]).v1
    old = client.subscriptions.retrieve(made["id"], {"expand": ["latest_invoice.payment_intent"]})
    assert old.latest_invoice.payment_intent.invoice == old.latest_invoice.id
    assert client.promotion_codes.list({"code": "ten"}).data[0].coupon.id == coupon["id"]
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.subscriptions.retrieve(made["id"], {"expand": ["latest_invoice.confirmation_secret"]})


def test_objects_satisfy_stripes_schemas(billing: BillingShop) -> None:
    """Everything that billing renders fits Stripe's description, in the states that it passes through."""
    fake, v1 = billing.fake, billing.v1
    test_whole_life(billing)
    fake.tax_percent = 10
    coupon = fake.coupon(amount_off=500, currency="usd", duration="once")
    customer = billing.customer(address={"country": "US"})
    made = billing.subscribe(
        customer, billing.price(), discounts=[{"coupon": coupon["id"]}], automatic_tax={"enabled": True}
    )
    fake.customer_changes_card(customer, "pm_card_chargeCustomerFail")
    v1.subscriptions.update(
        made["id"],
        {
            "items": [{"id": made["items"]["data"][0]["id"], "price": billing.price(9000)}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        },
    )
    v1.setup_intents.create({"customer": customer})
    fake.delete_customer(customer)
    validated = set()
    shown = [event["data"]["object"] for event in fake.events() if event["type"] != "invoice.upcoming"]
    for obj in [*shown, *fake.all("subscription_item"), *fake.all("discount"), *fake.all("setup_intent")]:
        jsonschema.Draft202012Validator(openapi.response_schema(obj["object"])).validate(obj)
        validated.add(obj["object"])
    assert validated >= set(
        "charge coupon customer discount invoice invoice_payment invoiceitem payment_intent payment_method plan price "
        "product setup_intent subscription subscription_item".split()
    )
