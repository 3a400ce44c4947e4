from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from django_stripe_gateway.exceptions import InvalidInput, PaymentDeclined, ProviderStateError
from django_stripe_gateway.gateways.billing_values import (
    SubscriptionChange,
    SubscriptionRequest,
)
from tests.test_gateways.billing_conformance import Biller, OnFakeStripe, assert_plain


def in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def test_subscribe(biller: Biller) -> None:
    customer, price = biller.customer(), biller.price()
    made = biller.subscribe(customer, price, quantity=3)
    biller.pay(made)
    found = biller.gateway.retrieve_subscription(made.subscription_id)
    assert (found.status, found.customer_id, found.quantity) == ("active", customer.customer_id, 3)
    assert (found.price_id, found.product_id) == (price.price_id, price.product_id)
    assert found.item_id.startswith("si_")
    assert found.metadata == {"subscription": "9"}
    assert found.current_period_start is not None
    assert found.current_period_end is not None
    assert 28 <= (found.current_period_end - found.current_period_start).days <= 31
    assert (found.client_secret, found.client_secret_kind) == ("", "")
    assert found.latest_invoice is not None
    assert (found.latest_invoice.status, found.latest_invoice.amount_paid) == ("paid", Decimal("60.00"))
    assert found.latest_invoice.invoice_id == found.latest_invoice_id
    (listed,) = biller.gateway.list_subscriptions(customer.customer_id)
    assert (listed.subscription_id, listed.current_period_end) == (found.subscription_id, found.current_period_end)
    assert_plain(found)


def test_subscribe__customer_confirms(stripe_biller: OnFakeStripe) -> None:
    """The secret is of the first invoice's payment, in whichever generation says where that is."""
    made = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price())
    assert (made.status, made.client_secret_kind) == ("incomplete", "payment")
    intent = stripe_biller.fake.intent_of(made.subscription_id)
    assert made.client_secret.startswith(intent)
    assert made.latest_invoice is not None
    assert made.latest_invoice.intent_id == intent
    assert_plain(made)
    assert made.client_secret not in json.dumps(dict(made.metadata))
    stripe_biller.fake.customer_pays(made.subscription_id, "pm_card_authenticationRequired")
    waiting = stripe_biller.gateway.retrieve_invoice(made.latest_invoice_id)
    assert (waiting.status, waiting.requires_action) == ("open", True)
    assert waiting.client_secret == made.client_secret
    stripe_biller.fake.customer_authenticates(intent)
    found = stripe_biller.gateway.retrieve_subscription(made.subscription_id)
    assert (found.status, found.client_secret) == ("active", "")
    assert found.default_payment_method


def test_subscribe__repeated_with_the_same_key(stripe_biller: OnFakeStripe) -> None:
    request = SubscriptionRequest(stripe_biller.customer().customer_id, stripe_biller.price().price_id)
    key = stripe_biller.key()
    first = stripe_biller.gateway.create_subscription(request, idempotency_key=key)
    stripe_biller.fake.forget_requests()
    assert stripe_biller.gateway.create_subscription(request, idempotency_key=key) == first
    assert len(stripe_biller.fake.all("subscription")) == 1


def test_subscribe__trial(biller: Biller) -> None:
    end = in_days(14)
    made = biller.subscribe(biller.customer(), biller.price(), trial_end=end)
    assert (made.status, made.trial_end, made.current_period_end) == ("trialing", end, end)


def test_subscribe__trial_without_a_card(stripe_biller: OnFakeStripe) -> None:
    made = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price(), trial_end=in_days(14))
    assert (made.status, made.client_secret_kind) == ("trialing", "setup")
    stripe_biller.fake.customer_sets_up(made.client_secret.partition("_secret_")[0])
    found = stripe_biller.gateway.retrieve_subscription(made.subscription_id)
    assert found.client_secret == ""
    assert found.default_payment_method


def test_subscribe__free_needs_no_card(biller: Biller) -> None:
    made = biller.subscribe(biller.customer(""), biller.price("0.00"))
    assert (made.status, made.client_secret) == ("active", "")


def test_subscribe__ends_with_its_period(biller: Biller) -> None:
    made = biller.subscribe(biller.customer(), biller.price("5.00", "day"), cancel_at_period_end=True)
    assert made.cancel_at_period_end
    assert made.current_period_end is not None
    assert made.current_period_start is not None
    assert made.current_period_end - made.current_period_start == timedelta(days=1)


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


def test_subscribe__card_fails_later(biller: Biller) -> None:
    """On localstripe the first payment fails at once, at Stripe in the customer's browser."""
    made = biller.subscribe(biller.customer(biller.failing), biller.price())
    assert made.status == "incomplete"
    if isinstance(biller, OnFakeStripe):
        biller.fake.customer_pays(made.subscription_id, biller.failing)
        found = biller.gateway.retrieve_subscription(made.subscription_id)
        assert (found.status, found.client_secret) == ("incomplete", made.client_secret)


def test_change__price_and_quantity(biller: Biller) -> None:
    found = biller.active()
    price = biller.price("50.00")
    change = SubscriptionChange(found.item_id, price_id=price.price_id, quantity=2)
    changed = biller.gateway.change_subscription(found.subscription_id, change, idempotency_key=biller.key())
    assert (changed.status, changed.price_id, changed.quantity) == ("active", price.price_id, 2)
    only_price = SubscriptionChange(changed.item_id, price_id=biller.price("60.00").price_id)
    again = biller.gateway.change_subscription(found.subscription_id, only_price, idempotency_key=biller.key())
    assert (again.quantity, again.customer_id) == (2, found.customer_id)
    assert_plain(again)


def test_change__costs_what_its_preview_said(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.fake.advance(days=10)
    price, at = stripe_biller.price("50.00"), datetime.fromtimestamp(stripe_biller.fake.state.now(), UTC)
    change = SubscriptionChange(found.item_id, price_id=price.price_id, proration="always_invoice", proration_date=at)
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
    change = SubscriptionChange(found.item_id, price_id=price.price_id, proration="always_invoice")
    changed = stripe_biller.gateway.change_subscription(
        found.subscription_id, change, idempotency_key=stripe_biller.key()
    )
    assert (changed.status, changed.has_pending_update, changed.price_id) == ("active", True, found.price_id)
    assert changed.client_secret_kind == "payment"
    stripe_biller.fake.customer_authenticates(stripe_biller.fake.intent_of(found.subscription_id))
    done = stripe_biller.gateway.retrieve_subscription(found.subscription_id)
    assert (done.has_pending_update, done.price_id, done.client_secret) == (False, price.price_id, "")


def stripe_biller_card(biller: Biller, customer_id: str) -> str:
    """Give the customer a card that asks for an authentication each time."""
    attached = biller.gateway.attach_payment_method(
        "pm_card_authenticationRequired", customer_id, idempotency_key=biller.key()
    )
    return attached.payment_method_id


def test_change__without_a_payment_method(stripe_biller: OnFakeStripe) -> None:
    """A free subscription has none; it is asked for before anything changes."""
    found = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price("0.00"))
    dear = SubscriptionChange(found.item_id, price_id=stripe_biller.price().price_id, cancel_at_period_end=True)
    with pytest.raises(PaymentDeclined) as caught:
        stripe_biller.gateway.change_subscription(found.subscription_id, dear, idempotency_key=stripe_biller.key())
    assert (caught.value.code, caught.value.status_code) == ("payment_method_missing", 402)
    assert stripe_biller.gateway.retrieve_subscription(found.subscription_id).price_id == found.price_id


def test_change__refused_if_both_and_the_payment_fails(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.fake.change_subscription(
        found.subscription_id, {"default_payment_method": stripe_biller_card(stripe_biller, found.customer_id)}
    )
    price = stripe_biller.price("5.00", "day")
    change = SubscriptionChange(found.item_id, price_id=price.price_id, cancel_at_period_end=True)
    # The rest of the month is worth more than a day, so that nothing is to be paid.
    changed = stripe_biller.gateway.change_subscription(
        found.subscription_id, change, idempotency_key=stripe_biller.key()
    )
    assert (changed.price_id, changed.cancel_at_period_end) == (price.price_id, True)
    dear = SubscriptionChange(
        changed.item_id, price_id=stripe_biller.price("500.00").price_id, cancel_at_period_end=False
    )
    with pytest.raises(PaymentDeclined) as caught:
        stripe_biller.gateway.change_subscription(found.subscription_id, dear, idempotency_key=stripe_biller.key())
    assert caught.value.code == "subscription_payment_intent_requires_action"
    assert stripe_biller.gateway.retrieve_subscription(found.subscription_id).price_id == price.price_id


def test_cancel_at_period_end_and_resume(biller: Biller) -> None:
    found = biller.active()
    for ends in (True, False):
        change = SubscriptionChange(found.item_id, cancel_at_period_end=ends)
        changed = biller.gateway.change_subscription(found.subscription_id, change, idempotency_key=biller.key())
        assert (changed.status, changed.cancel_at_period_end) == ("active", ends)
        assert changed.current_period_end == found.current_period_end


def test_cancel_on_the_portal_and_resume(stripe_biller: OnFakeStripe) -> None:
    """A date says today what a flag said before; both are taken back."""
    found = stripe_biller.active()
    stripe_biller.fake.portal_cancel(found.subscription_id)
    ending = stripe_biller.gateway.retrieve_subscription(found.subscription_id)
    assert (ending.cancel_at_period_end, ending.cancel_at) == (True, found.current_period_end)
    change = SubscriptionChange(found.item_id, cancel_at_period_end=False)
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


def test_cancel(biller: Biller) -> None:
    found = biller.active()
    for _again in range(2):
        ended = biller.gateway.cancel_subscription(found.subscription_id, idempotency_key=biller.key())
        assert ended.status == "canceled"
        assert ended.ended_at is not None
    listed = biller.gateway.list_subscriptions(found.customer_id)
    assert [item.status for item in listed] == ["canceled"]


def test_changes_of_what_has_ended(stripe_biller: OnFakeStripe) -> None:
    found = stripe_biller.active()
    stripe_biller.gateway.cancel_subscription(found.subscription_id, idempotency_key=stripe_biller.key())
    change = SubscriptionChange(found.item_id, quantity=2)
    with pytest.raises(ProviderStateError, match="canceled"):
        stripe_biller.gateway.change_subscription(found.subscription_id, change, idempotency_key=stripe_biller.key())


def test_pause(stripe_biller: OnFakeStripe) -> None:
    found, until = stripe_biller.active(), in_days(30)
    paused = stripe_biller.gateway.pause_subscription(
        found.subscription_id, behavior="void", resumes_at=until, idempotency_key=stripe_biller.key()
    )
    assert (paused.status, paused.pause_behavior, paused.pause_resumes_at) == ("active", "void", until)
    going_on = stripe_biller.gateway.unpause_subscription(found.subscription_id, idempotency_key=stripe_biller.key())
    assert (going_on.pause_behavior, going_on.pause_resumes_at) == ("", None)


def test_unpause__after_a_trial(stripe_biller: OnFakeStripe) -> None:
    made = stripe_biller.subscribe(stripe_biller.customer(""), stripe_biller.price(), trial_end=in_days(2))
    settings = {"trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}
    stripe_biller.fake.change_subscription(made.subscription_id, settings)
    stripe_biller.fake.advance(days=3)
    assert stripe_biller.gateway.retrieve_subscription(made.subscription_id).status == "paused"
    stripe_biller.fake.customer_changes_card(made.customer_id, "pm_card_visa")
    going_on = stripe_biller.gateway.unpause_subscription(made.subscription_id, idempotency_key=stripe_biller.key())
    assert going_on.status == "active"
