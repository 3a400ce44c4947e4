"""What the API of billing answers and refuses."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain


def test_lookup_key__moves_only_on_request(billing: BillingShop) -> None:
    first = billing.price(lookup_key="gold")
    with pytest.raises(stripe.InvalidRequestError, match=first):
        billing.price(3000, lookup_key="gold")
    second = billing.price(3000, lookup_key="gold", transfer_lookup_key=True)
    assert [price.id for price in billing.v1.prices.list({"lookup_keys": ["gold"]}).data] == [second]
    billing.v1.prices.update(first, {"active": False})
    assert types(billing.fake.events(), "p")[-2:] == ["rice.updated", "lan.updated"]
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        billing.subscribe(billing.customer(), first)


def test_plans__are_prices(billing: BillingShop) -> None:
    plan = billing.v1.plans.create({"product": {"name": "Old"}, "amount": 900, "currency": "usd", "interval": "week"})
    assert plan.id.startswith("plan_")
    assert billing.v1.prices.retrieve(plan.id).recurring.interval == "week"
    made = plain(billing.v1.subscriptions.create({"customer": billing.customer(), "items": [{"plan": plan.id}]}))
    assert made["items"]["data"][0]["price"]["unit_amount"] == 900
    assert [item.id for item in billing.v1.plans.list({"active": True}).data] == [plan.id]


@pytest.mark.parametrize(
    ("method", "behavior", "status", "code"),
    [
        ("pm_card_chargeCustomerFail", "allow_incomplete", "incomplete", None),
        ("pm_card_chargeCustomerFail", "error_if_incomplete", None, "card_declined"),
        ("pm_card_authenticationRequired", "error_if_incomplete", None, "subscription_payment_intent_requires_action"),
        ("pm_card_authenticationRequired", "allow_incomplete", "incomplete", None),
        ("", "allow_incomplete", None, "resource_missing"),
        ("", "default_incomplete", "incomplete", None),
        ("pm_card_visa", "default_incomplete", "incomplete", None),
        ("pm_card_visa", "error_if_incomplete", "active", None),
    ],
)
def test_payment_behavior(
    billing: BillingShop, method: str, behavior: str, status: str | None, code: str | None
) -> None:
    customer, price = billing.customer(method), billing.price()
    if status:
        assert billing.subscribe(customer, price, payment_behavior=behavior)["status"] == status
        return
    before = len(billing.fake.events())
    with pytest.raises(stripe.StripeError) as caught:
        billing.subscribe(customer, price, payment_behavior=behavior)
    assert caught.value.code == code
    # Nothing is left of it.
    assert billing.fake.all("subscription") == billing.fake.all("invoice") == []
    assert len(billing.fake.events()) == before


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"trial_period_days": 1000}, "trial_period_days"),
        ({"trial_end": 1_000_000_000}, "trial_end"),
        ({"billing_cycle_anchor": 1_000_000_000}, "billing_cycle_anchor"),
        ({"items": []}, "items"),
        ({"items": [{"price": "price_none"}]}, "items[0][price]"),
        ({"default_payment_method": "pm_card_visa"}, "default_payment_method"),
        ({"discounts": [{"coupon": "none"}]}, "discounts[0][coupon]"),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax[enabled]"),
    ],
)
def test_create__refused(billing: BillingShop, params: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.subscribe(billing.customer(), billing.price(), **params)
    assert caught.value.param == param
    assert billing.fake.all("subscription") == []


def test_promotion_code__restrictions(billing: BillingShop) -> None:
    customer, other, price = billing.customer(), billing.customer(), billing.price()
    coupon = billing.fake.coupon(percent_off=50, duration="once")["id"]
    soon = billing.fake.state.now() + 86400
    codes = {
        "expired": billing.fake.promotion_code(coupon, "SOON", expires_at=soon)["id"],
        "this customer": billing.fake.promotion_code(coupon, "OTHER", customer=other)["id"],
        "prior": billing.fake.promotion_code(coupon, "NEW", restrictions={"first_time_transaction": True})["id"],
    }
    billing.subscribe(customer, price, discounts=[{"promotion_code": codes["prior"]}])
    billing.fake.advance(days=2)
    for reason, code in codes.items():
        with pytest.raises(stripe.InvalidRequestError, match=reason):
            billing.subscribe(customer, price, discounts=[{"promotion_code": code}])


def test_expand__four_levels(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        billing.v1.subscriptions.retrieve(
            made["id"], {"expand": ["latest_invoice.payments.data.payment.payment_intent"]}
        )
    expand = ["payments.data.payment.payment_intent"]
    invoice = billing.v1.invoices.retrieve(made["latest_invoice"], {"expand": expand})
    assert invoice.payments.data[0].payment.payment_intent.status == "succeeded"


def test_update__an_item_without_its_id_comes_on_top(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    updated = billing.v1.subscriptions.update(made["id"], {"items": [{"price": billing.price(500)}]})
    assert len(updated["items"].data) == 2


def test_update__another_interval_begins_anew(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    billing.fake.advance(days=10)
    yearly = billing.price(20000, {"interval": "year"})
    change = {"items": [{"id": made["items"]["data"][0]["id"], "price": yearly}], "expand": ["latest_invoice"]}
    updated = billing.v1.subscriptions.update(made["id"], change)
    assert 0 <= billing.fake.state.now() - updated.billing_cycle_anchor <= 5
    credit, charge = updated.latest_invoice.lines.data
    assert -2000 < credit.amount < 0
    assert (charge.amount, updated.latest_invoice.status) == (20000, "paid")


def test_cancel__with_what_is_left(billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    billing.fake.advance(days=10)
    billing.v1.subscriptions.cancel(made["id"], {"prorate": True, "invoice_now": True})
    assert -2000 < billing.fake.get(customer)["balance"] < 0
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscriptions.cancel(made["id"])
    assert caught.value.http_status == 404
    assert billing.v1.subscriptions.list({"customer": customer}).data == []
    assert len(billing.v1.subscriptions.list({"customer": customer, "status": "all"}).data) == 1


def test_invoice__paid_by_hand(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), billing.price(), payment_behavior="default_incomplete")
    with pytest.raises(stripe.CardError) as caught:
        billing.v1.invoices.pay(made["latest_invoice"], {"payment_method": "pm_card_chargeDeclined"})
    assert caught.value.code == "card_declined"
    paid = billing.v1.invoices.pay(made["latest_invoice"], {"payment_method": "pm_card_visa"})
    assert (paid.status, billing.status(made)) == ("paid", "active")
    with pytest.raises(stripe.InvalidRequestError):
        billing.v1.invoices.void_invoice(made["latest_invoice"])


@pytest.mark.parametrize(
    ("method", "outcome"), [("pm_card_visa", "paid"), ("pm_card_chargeDeclined", "open"), ("async", "unpaid")]
)
def test_checkout(billing: BillingShop, method: str, outcome: str) -> None:
    params = {"mode": "subscription", "success_url": "https://shop.example/", "customer_email": "a@shop.example"}
    line = {"price": billing.price(), "quantity": 2}
    session = billing.v1.checkout.sessions.create({**params, "line_items": [line]})
    events = billing.fake.complete_checkout(session.id, method)
    done = billing.fake.get(session.id)
    if outcome == "open":
        assert (done["status"], events) == ("open", [])
        return
    assert events[-1]["type"] == "checkout.session.completed"
    assert (done["payment_status"], done["amount_total"]) == (outcome, 4000)
    assert billing.fake.get(done["customer"])["email"] == "a@shop.example"
    assert billing.fake.get(done["subscription"])["status"] == "active"


def test_checkout__authentication_trial_and_setup(billing: BillingShop) -> None:
    base = {"success_url": "https://shop.example/", "customer": billing.customer("")}
    line = {"price": billing.price(), "quantity": 1}
    subscription = {**base, "mode": "subscription", "line_items": [line]}
    session = billing.v1.checkout.sessions.create(subscription)
    assert billing.fake.complete_checkout(session.id, "pm_card_authenticationRequired") == []
    billing.fake.customer_authenticates_checkout(session.id)
    assert billing.fake.get(session.id)["payment_status"] == "paid"
    trial = billing.v1.checkout.sessions.create({**subscription, "subscription_data": {"trial_period_days": 7}})
    billing.fake.complete_checkout(trial.id)
    assert billing.fake.get(trial.id)["payment_status"] == "no_payment_required"
    setup = billing.v1.checkout.sessions.create({**base, "mode": "setup", "currency": "usd"})
    assert types(billing.fake.complete_checkout(setup.id), "setup_intent.") == ["created", "succeeded"]
    assert len(billing.v1.payment_methods.list({"customer": base["customer"]}).data) == 3
    with pytest.raises(stripe.InvalidRequestError, match="mode"):
        billing.session(mode="subscription")


def test_setup_intent(billing: BillingShop) -> None:
    customer = billing.customer("")
    intent = billing.v1.setup_intents.create({"customer": customer, "usage": "off_session"})
    assert types(billing.fake.customer_sets_up(intent.id, "pm_card_chargeDeclined"), "setup_intent.") == [
        "setup_failed"
    ]
    billing.fake.customer_sets_up(intent.id, "pm_card_authenticationRequired")
    assert billing.v1.setup_intents.retrieve(intent.id).status == "requires_action"
    events = billing.fake.customer_authenticates(intent.id)
    assert [event["type"] for event in events] == ["payment_method.attached", "setup_intent.succeeded"]
    method = billing.v1.setup_intents.retrieve(intent.id).payment_method
    billing.v1.payment_methods.detach(method)
    assert billing.v1.customers.payment_methods.list(customer).data == []


def test_meters(billing: BillingShop) -> None:
    meter = billing.v1.billing.meters.create(
        {"display_name": "Calls", "event_name": "call", "default_aggregation": {"formula": "sum"}}
    )
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price(3, recurring))
    assert made["status"] == "active"
    payload = {"stripe_customer_id": customer, "value": "25"}
    event = {"event_name": "call", "payload": payload, "identifier": "one"}
    assert billing.v1.billing.meter_events.create(event).identifier == "one"
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier one"):
        billing.v1.billing.meter_events.create(event)
    billing.v1.billing.meter_events.create({**event, "identifier": "two"})
    start = billing.fake.state.now() // 60 * 60
    window = {"customer": customer, "start_time": start, "end_time": start + 120}
    assert billing.v1.billing.meters.event_summaries.list(meter.id, window).data[0].aggregated_value == 50
    billing.fake.advance(days=32)
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].total == 150


def test_idempotency(billing: BillingShop) -> None:
    params = {"customer": billing.customer(), "items": [{"price": billing.price()}]}
    first, again = (billing.v1.subscriptions.create(params, {"idempotency_key": "one"}) for _attempt in range(2))
    assert first.id == again.id
    assert len(billing.fake.all("subscription")) == 1
