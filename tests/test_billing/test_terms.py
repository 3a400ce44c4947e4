"""Discounts of running subscriptions, and how they are collected."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.collection import change_collection
from django_stripe_gateway.services.subscriptions.discounts import apply_discount, remove_discount
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def coupon(host: SubscriptionHost, code: str = "", **fields: Any) -> str:
    made = str(host.fake.coupon(**{"percent_off": 50, "duration": "forever", **fields})["id"])
    if code:
        host.fake.promotion_code(made, code)
    return made


def test_customers_enter_a_code(host: SubscriptionHost) -> None:
    half, found = coupon(host, "HALF"), host.subscribed()
    answer = host.post("discount", {"subscription_id": found.provider_id, "promotion_code": "HALF"})
    (shown,) = answer.json()["discounts"]
    assert (shown["coupon"], shown["promotion_code"][:6], shown["ends"]) == (half, "promo_", None)
    host.deliver_new()
    found.refresh_from_db()
    # Events tell no more than the id.
    assert found.discounts[0]["coupon"] == half
    host.change_card(found, "pm_card_visa")
    host.fake.advance(days=32)
    assert host.fake.all("charge")[-1]["amount"] == 1000


def test_a_code_counts_once_for_each_customer(host: SubscriptionHost) -> None:
    coupon(host, "HALF")
    found = apply_discount(subscription=host.subscribed(), promotion_code="HALF")
    assert apply_discount(subscription=found, promotion_code="HALF").discounts == found.discounts
    found = remove_discount(subscription=found)
    assert found.discounts == host.fake.get(found.provider_id)["discounts"] == []
    with pytest.raises(InvalidInput) as refused:
        apply_discount(subscription=found, promotion_code="HALF")
    assert refused.value.code == "promotion_code_used"


def test_a_code_counts_once_for_each_customer__by_subscribing_too(host: SubscriptionHost) -> None:
    coupon(host, "HALF")
    first = host.subscribed(promotion_code="HALF")
    again = {"plan_id": host.premium.plan_id, "promotion_code": "HALF"}
    beside = host.post("subscribe", again)
    cancel_subscription(subscription=first, at_period_end=False)
    for answer in (beside, host.post("subscribe", again)):
        assert (answer.status_code, answer.json()["code"]) == (400, "promotion_code_used")
    assert len(host.fake.all("subscription")) == 1


def test_a_code_counts_once_for_each_customer__unless_nobody_paid(host: SubscriptionHost) -> None:
    coupon(host, "HALF")
    assert host.subscribe(promotion_code="HALF")["status"] == "incomplete"
    host.fake.advance(hours=24)
    host.deliver_new()
    found = apply_discount(subscription=host.subscribed(), promotion_code="HALF")
    assert len(found.discounts) == 1


def test_a_code_takes_the_place_of_a_code_and_leaves_the_coupon(host: SubscriptionHost) -> None:
    given, second = coupon(host), coupon(host, "SECOND")
    coupon(host, "FIRST")
    found = apply_discount(subscription=host.subscribed(), coupon=given)
    apply_discount(subscription=found, promotion_code="FIRST")
    found = apply_discount(subscription=found, promotion_code="SECOND")
    assert {known["coupon"] for known in found.discounts} == {given, second}


def test_unknown_code(host: SubscriptionHost) -> None:
    found = host.subscribed()
    answer = host.post("discount", {"subscription_id": found.provider_id, "promotion_code": "NONE"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_promotion_code")
    refused = host.post("discount", {"subscription_id": found.provider_id, "coupon": "X"})
    assert refused.status_code == 400


def test_sent_invoices(host: SubscriptionHost) -> None:
    found = subscribe(owner=host.user, plan=host.basic.plan, collection_method="send_invoice", days_until_due=30)
    assert (found.status, found.collection_method, found.days_until_due) == ("active", "send_invoice", 30)
    found = change_collection(subscription=found, collection_method="charge_automatically")
    assert (found.collection_method, found.days_until_due) == ("charge_automatically", None)
    found = change_collection(subscription=found, collection_method="send_invoice", days_until_due=14)
    assert (found.collection_method, found.days_until_due) == ("send_invoice", 14)


@pytest.mark.parametrize(
    ("method", "days", "field"),
    [
        ("send_invoice", None, "days_until_due"),
        ("send_invoice", 0, "days_until_due"),
        ("charge_automatically", 30, "days_until_due"),
        ("cash", None, "collection_method"),
        ("", None, "collection_method"),
    ],
)
def test_unacceptable(host: SubscriptionHost, method: str, days: int | None, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        change_collection(subscription=host.subscribed(), collection_method=method, days_until_due=days)
    assert refused.value.field == field
