from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from django_stripe_gateway.exceptions import InvalidInput, PaymentDeclined, ProviderStateError
from django_stripe_gateway.gateways.billing_values import (
    ItemChange,
    SubscriptionChange,
)
from tests.test_gateways.billing_conformance import OnFakeStripe


def in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def test_subscribe__customer_confirms(stripe_biller: OnFakeStripe) -> None:
    """The secret is of the first invoice's payment, in whichever generation says where that is."""
    made = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price())
    assert (made.status, made.client_secret_kind) == ("incomplete", "payment")
    intent = stripe_biller.fake.intent_of(made.subscription_id)
    assert made.client_secret.startswith(intent)
    assert made.latest_invoice is not None
    assert made.latest_invoice.intent_id == intent
    stripe_biller.assert_plain(made)
    assert made.client_secret not in json.dumps(dict(made.metadata))
    stripe_biller.fake.customer_pays(made.subscription_id, "pm_card_authenticationRequired")
    waiting = stripe_biller.gateway.retrieve_invoice(made.latest_invoice_id)
    assert (waiting.status, waiting.requires_action) == ("open", True)
    assert waiting.client_secret == made.client_secret
    stripe_biller.fake.customer_authenticates(intent)
    found = stripe_biller.gateway.retrieve_subscription(made.subscription_id)
    assert (found.status, found.client_secret) == ("active", "")
    assert found.default_payment_method


def test_subscribe__trial_without_a_card(stripe_biller: OnFakeStripe) -> None:
    made = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price(), trial_days=14)
    assert (made.status, made.client_secret_kind) == ("trialing", "setup")
    stripe_biller.fake.customer_sets_up(made.client_secret.partition("_secret_")[0])
    found = stripe_biller.gateway.retrieve_subscription(made.subscription_id)
    assert found.client_secret == ""
    assert found.default_payment_method


def test_subscribe__anchor(stripe_biller: OnFakeStripe) -> None:
    anchor = in_days(10)
    made = stripe_biller.subscribe(stripe_biller.customer(), stripe_biller.price(), billing_cycle_anchor=anchor)
    assert made.current_period_end == anchor
    assert made.latest_invoice is not None
    assert Decimal("6.00") < made.latest_invoice.total < Decimal("7.50")


def test_subscribe__tax(stripe_biller: OnFakeStripe) -> None:
    stripe_biller.fake.tax_percent = 10
    customer = stripe_biller.customer()
    with pytest.raises(InvalidInput) as caught:
        stripe_biller.subscribe(customer, stripe_biller.price(), automatic_tax=True)
    assert (caught.value.code, caught.value.field) == ("customer_tax_location_invalid", "address")
    _scope, found = stripe_biller.fake.state.locate(customer.customer_id)
    found["address"] = {"country": "US"}
    made = stripe_biller.subscribe(customer, stripe_biller.price(), automatic_tax=True)
    assert made.latest_invoice is not None
    assert (made.latest_invoice.tax, made.latest_invoice.total) == (Decimal("2.00"), Decimal("22.00"))


def test_subscribe__card_fails_later(stripe_biller: OnFakeStripe) -> None:
    """On localstripe the first payment fails at once, at Stripe in the customer's browser."""
    made = stripe_biller.subscribe(stripe_biller.customer(stripe_biller.failing), stripe_biller.price())
    assert made.status == "incomplete"
    stripe_biller.fake.customer_pays(made.subscription_id, stripe_biller.failing)
    found = stripe_biller.gateway.retrieve_subscription(made.subscription_id)
    assert (found.status, found.client_secret) == ("incomplete", made.client_secret)


def test_change__costs_what_its_preview_said(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.fake.advance(days=10)
    price, at = stripe_biller.price("50.00"), datetime.fromtimestamp(stripe_biller.fake.state.now(), UTC)
    change = SubscriptionChange(
        [ItemChange(found.items[0].item_id, price_id=price.price_id)], proration="always_invoice", proration_date=at
    )
    preview = stripe_biller.gateway.preview_change(found.subscription_id, found.customer_id, change)
    assert [line.is_proration for line in preview.lines] == [True, True]
    assert preview.lines[0].amount < 0 < preview.total
    assert preview.lines[1].price_id == price.price_id
    stripe_biller.fake.advance(hours=2)
    changed = stripe_biller.gateway.change_subscription(
        found.subscription_id, change, idempotency_key=stripe_biller.key()
    )
    assert changed.latest_invoice is not None
    assert (changed.latest_invoice.total, changed.latest_invoice.status) == (preview.total, "paid")


def test_change__waits_for_its_payment(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.fake.change_subscription(
        found.subscription_id, {"default_payment_method": stripe_biller_card(stripe_biller, found.customer_id)}
    )
    price = stripe_biller.price("50.00")
    change = SubscriptionChange(
        [ItemChange(found.items[0].item_id, price_id=price.price_id)], proration="always_invoice"
    )
    changed = stripe_biller.gateway.change_subscription(
        found.subscription_id, change, idempotency_key=stripe_biller.key()
    )
    assert (changed.status, changed.has_pending_update, changed.items) == ("active", True, found.items)
    assert changed.client_secret_kind == "payment"
    stripe_biller.fake.customer_authenticates(stripe_biller.fake.intent_of(found.subscription_id))
    done = stripe_biller.gateway.retrieve_subscription(found.subscription_id)
    assert (done.has_pending_update, done.items[0].price_id, done.client_secret) == (False, price.price_id, "")


def stripe_biller_card(biller: OnFakeStripe, customer_id: str) -> str:
    """Give the customer a card that asks for an authentication each time."""
    attached = biller.gateway.attach_payment_method(
        "pm_card_authenticationRequired", customer_id, idempotency_key=biller.key()
    )
    return attached.payment_method_id


def test_change__without_a_payment_method(stripe_biller: OnFakeStripe) -> None:
    """A free subscription has none; it is asked for before anything changes."""
    found = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price("0.00"))
    dear = SubscriptionChange(
        [ItemChange(found.items[0].item_id, price_id=stripe_biller.price().price_id)], cancel_at_period_end=True
    )
    with pytest.raises(PaymentDeclined) as caught:
        stripe_biller.gateway.change_subscription(found.subscription_id, dear, idempotency_key=stripe_biller.key())
    assert (caught.value.code, caught.value.status_code) == ("payment_method_missing", 402)
    assert stripe_biller.gateway.retrieve_subscription(found.subscription_id).items == found.items


def test_change__refused_if_both_and_the_payment_fails(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.fake.change_subscription(
        found.subscription_id, {"default_payment_method": stripe_biller_card(stripe_biller, found.customer_id)}
    )
    price = stripe_biller.price("5.00", "day")
    change = SubscriptionChange(
        [ItemChange(found.items[0].item_id, price_id=price.price_id)], cancel_at_period_end=True
    )
    # The rest of the month is worth more than a day, so that nothing is to be paid.
    changed = stripe_biller.gateway.change_subscription(
        found.subscription_id, change, idempotency_key=stripe_biller.key()
    )
    assert (changed.items[0].price_id, changed.cancel_at_period_end) == (price.price_id, True)
    dear = SubscriptionChange(
        [ItemChange(changed.items[0].item_id, price_id=stripe_biller.price("500.00").price_id)],
        cancel_at_period_end=False,
    )
    with pytest.raises(PaymentDeclined) as caught:
        stripe_biller.gateway.change_subscription(found.subscription_id, dear, idempotency_key=stripe_biller.key())
    assert caught.value.code == "subscription_payment_intent_requires_action"
    assert stripe_biller.gateway.retrieve_subscription(found.subscription_id).items == changed.items


def test_cancel_on_the_portal_and_resume(stripe_biller: OnFakeStripe) -> None:
    """A date says today what a flag said before; both are taken back."""
    found = stripe_biller.active()
    stripe_biller.fake.portal_cancel(found.subscription_id)
    ending = stripe_biller.gateway.retrieve_subscription(found.subscription_id)
    assert (ending.cancel_at_period_end, ending.cancel_at) == (True, found.current_period_end)
    change = SubscriptionChange(cancel_at_period_end=False)
    going_on = stripe_biller.gateway.change_subscription(
        found.subscription_id, change, idempotency_key=stripe_biller.key()
    )
    assert (going_on.cancel_at_period_end, going_on.cancel_at) == (False, None)
    stripe_biller.fake.advance(days=31)
    assert stripe_biller.gateway.retrieve_subscription(found.subscription_id).status == "active"


def test_promotion_code__used_up(stripe_biller: OnFakeStripe) -> None:
    coupon = stripe_biller.fake.coupon(percent_off=25, duration="once", max_redemptions=1)
    stripe_biller.subscribe(stripe_biller.customer(), stripe_biller.price(), coupon=coupon["id"])
    with pytest.raises(InvalidInput) as caught:
        stripe_biller.subscribe(stripe_biller.customer(), stripe_biller.price(), coupon=coupon["id"])
    assert (caught.value.code, caught.value.field) == ("coupon_expired", "promotion_code")


def test_changes_of_what_has_ended(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.gateway.cancel_subscription(found.subscription_id, idempotency_key=stripe_biller.key())
    change = SubscriptionChange([ItemChange(found.items[0].item_id, quantity=2)])
    with pytest.raises(ProviderStateError, match="canceled"):
        stripe_biller.gateway.change_subscription(found.subscription_id, change, idempotency_key=stripe_biller.key())


def test_unpause__after_a_trial(stripe_biller: OnFakeStripe) -> None:
    made = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price(), trial_days=2)
    settings = {"trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}
    stripe_biller.fake.change_subscription(made.subscription_id, settings)
    stripe_biller.fake.advance(days=3)
    assert stripe_biller.gateway.retrieve_subscription(made.subscription_id).status == "paused"
    stripe_biller.fake.customer_changes_card(made.customer_id, "pm_card_visa")
    going_on = stripe_biller.gateway.unpause_subscription(made.subscription_id, idempotency_key=stripe_biller.key())
    assert going_on.status == "active"
