"""Which payment method a subscription is charged to."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain


def another_card(billing: BillingShop, customer: str, name: str = "pm_card_mastercard") -> str:
    """Save another card on a customer, and leave the default as it is."""
    return str(billing.v1.payment_methods.attach(name, {"customer": customer}).id)


def charged(billing: BillingShop, subscription: dict[str, Any]) -> str:
    """Return the payment method that the latest invoice was charged to."""
    return str(billing.fake.get(billing.fake.intent_of(subscription["id"]))["payment_method"])


def test_subscriptions_own__wins_at_renewal(billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    default = charged(billing, made)
    own = another_card(billing, customer)
    assert billing.v1.subscriptions.update(made["id"], {"default_payment_method": own}).default_payment_method == own
    billing.fake.advance(days=32)
    assert charged(billing, made) == own != default
    cleared = billing.v1.subscriptions.update(made["id"], {"default_payment_method": ""})
    assert cleared.default_payment_method is None
    billing.fake.advance(days=31)
    assert charged(billing, made) == default


def test_subscriptions_own__wins_at_a_retry(billing: BillingShop) -> None:
    customer = billing.customer()
    bad = another_card(billing, customer, "pm_card_chargeCustomerFail")
    made = billing.subscribe(customer, billing.price(), trial_period_days=1, default_payment_method=bad)
    billing.fake.advance(days=2)
    assert billing.status(made) == "past_due"
    # The customer's own new default is not what this subscription is charged to.
    billing.fake.customer_changes_card(customer, "pm_card_amex")
    billing.fake.advance(days=3)
    assert billing.status(made) == "past_due"
    billing.v1.subscriptions.update(made["id"], {"default_payment_method": another_card(billing, customer)})
    billing.fake.advance(days=6)
    assert billing.status(made) == "active"


@pytest.mark.parametrize("given", ["pm_card_visa", "pm_none", "somebody else's"])
def test_update__not_the_customers(billing: BillingShop, given: str) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    if given == "somebody else's":
        given = another_card(billing, billing.customer())
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscriptions.update(made["id"], {"default_payment_method": given})
    assert caught.value.code == "resource_missing"
    assert billing.fake.get(made["id"])["default_payment_method"] is None


def test_detach__leaves_a_subscription_without(billing: BillingShop) -> None:
    customer = billing.customer()
    own = another_card(billing, customer)
    made = billing.subscribe(customer, billing.price(), default_payment_method=own)
    before = len(billing.fake.events())
    billing.v1.payment_methods.detach(own)
    events = billing.fake.events()[before:]
    assert types(events) == ["updated"]
    assert events[0]["data"]["previous_attributes"] == {"default_payment_method": own}
    assert billing.fake.get(made["id"])["default_payment_method"] is None


def test_checkout__sets_it_on_the_subscription(billing: BillingShop) -> None:
    customer = billing.customer()
    default = billing.fake.get(customer)["invoice_settings"]["default_payment_method"]
    session = billing.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "success_url": "https://shop.example/",
            "customer": customer,
            "line_items": [{"price": billing.price(), "quantity": 1}],
        }
    )
    billing.fake.complete_checkout(session.id)
    made = billing.fake.get(billing.fake.get(session.id)["subscription"])
    assert made["default_payment_method"] not in {None, default}
    assert billing.fake.get(made["default_payment_method"])["customer"] == customer


@pytest.mark.parametrize("method", ["card", "pm_card_chargeDeclined"])
def test_checkout__set_up(billing: BillingShop, method: str) -> None:
    customer = billing.customer("")
    session = billing.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "success_url": "https://shop.example/",
            "customer": customer,
            "setup_intent_data": {"metadata": {"subscription": "sub_1"}},
        }
    )
    assert (session.payment_status, session.subscription) == ("no_payment_required", None)
    events = billing.fake.complete_checkout(session.id, method)
    shown = billing.fake.get(session.id)
    if method != "card":
        assert (shown["status"], shown["setup_intent"], events) == ("open", None, [])
        return
    assert events[-1]["type"] == "checkout.session.completed"
    assert events[-1]["data"]["object"]["customer"] == customer
    intent = billing.v1.setup_intents.retrieve(shown["setup_intent"])
    assert (intent.status, intent.customer, plain(intent.metadata)) == (
        "succeeded",
        customer,
        {"subscription": "sub_1"},
    )
    assert billing.fake.get(str(intent.payment_method))["customer"] == customer
