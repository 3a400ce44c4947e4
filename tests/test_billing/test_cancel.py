"""How a subscription ends: with a reason, on a date, and with what is left of it given back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def half_way(host: SubscriptionHost) -> Subscription:
    """Return a subscription of which about half of the period is left; 20.00 were paid for it."""
    found = host.subscribed()
    host.fake.advance(days=15)
    return found


def refunded(host: SubscriptionHost) -> int:
    return sum(refund["amount"] for refund in host.fake.all("refund"))


def refund_by_hand(host: SubscriptionHost) -> None:
    """Let the merchant have refunded the payment in the Dashboard, which leaves nothing to give back."""
    host.fake.dashboard_refund(host.fake.all("payment_intent")[-1]["id"], 2000)


def test_customers_say_why(host: SubscriptionHost) -> None:
    found = host.subscribed()
    body = {"subscription_id": found.provider_id, "reason": "too_expensive", "comment": "Too much for us."}
    answer = host.post("cancel", body).json()
    assert answer["cancel_at_period_end"] is True
    assert answer["cancellation"] == {"reason": "too_expensive", "comment": "Too much for us."}
    said = host.fake.get(found.provider_id)["cancellation_details"]
    assert (said["feedback"], said["comment"]) == ("too_expensive", "Too much for us.")
    found.refresh_from_db()
    assert found.cancellation_reason == "cancellation_requested"


def test_customers_say_why__at_once(host: SubscriptionHost) -> None:
    found = host.subscribed()
    host.post("cancel", {"subscription_id": found.provider_id, "reason": "unused", "at_period_end": False})
    found.refresh_from_db()
    assert (found.status, found.cancellation_feedback) == ("canceled", "unused")


@pytest.mark.parametrize(
    "wish", [{"cancel_at": "2040-01-01T00:00:00Z"}, {"refund_unused": "refund", "at_period_end": False}]
)
def test_the_sellers_wishes(host: SubscriptionHost, wish: dict[str, Any]) -> None:
    found = host.subscribed()
    refused = host.post("cancel", {"subscription_id": found.provider_id, **wish})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert host.fake.get(found.provider_id)["cancel_at"] is None
    host.let_change_terms()
    assert host.post("cancel", {"subscription_id": found.provider_id, **wish}).status_code == 200


def test_on_a_date(host: SubscriptionHost) -> None:
    found = host.subscribed()
    date = (timezone.now() + timedelta(days=45)).replace(microsecond=0)
    ended = cancel_subscription(subscription=found, cancel_at=date)
    assert (ended.cancel_at, ended.fixed_end, ended.ends_as_agreed) == (date, date, True)


def test_refund__goes_to_the_card_and_is_no_more_than_the_rest(host: SubscriptionHost) -> None:
    found = half_way(host)
    ended = cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert ended.status == "canceled"
    assert 900 <= refunded(host) <= 1100
    (note,) = host.fake.all("credit_note")
    assert note["amount"] == refunded(host)
    assert host.fake.get(host.customer.provider_id)["balance"] == 0


def test_refund__of_a_change_that_was_not_invoiced_yet(host: SubscriptionHost) -> None:
    """Half of 20.00 was used and half is left; the dearer plan of the second half was never paid."""
    found = change_subscription(subscription=half_way(host), pricing=host.premium, proration="create_prorations")
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 900 <= refunded(host) <= 1100


def test_refund__over_two_payments(host: SubscriptionHost) -> None:
    found = host.subscribed()
    host.change_card(found, "pm_card_visa")
    found = change_subscription(subscription=found, pricing=host.premium, proration="always_invoice")
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert len(host.fake.all("refund")) == 2
    assert 4900 <= refunded(host) <= 5000


def test_refund__refused_leaves_it_running(host: SubscriptionHost) -> None:
    found = half_way(host)
    refund_by_hand(host)
    with pytest.raises(WrongState):
        cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    found.refresh_from_db()
    assert (found.status, host.fake.get(found.provider_id)["status"]) == ("active", "active")


def test_credit(host: SubscriptionHost) -> None:
    cancel_subscription(subscription=half_way(host), at_period_end=False, refund_unused="credit")
    assert host.fake.all("refund") == []
    assert -1100 <= host.fake.get(host.customer.provider_id)["balance"] <= -900


def test_at_once__what_waits_is_invoiced(host: SubscriptionHost) -> None:
    found = half_way(host)
    host.change_card(found, "pm_card_visa")
    change_subscription(subscription=found, pricing=host.premium, proration="create_prorations")
    cancel_subscription(subscription=found, at_period_end=False)
    last = host.fake.all("invoice")[-1]
    assert (last["status"], Decimal(last["total"]) > 1000) == ("paid", True)


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"reason": "bored"}, "reason"),
        ({"comment": "x" * 5001}, "comment"),
        ({"refund_unused": "all"}, "refund_unused"),
        ({"refund_unused": "refund"}, "refund_unused"),
        ({"cancel_at": timezone.now()}, "cancel_at"),
        ({"cancel_at": timezone.now() + timedelta(days=99), "at_period_end": False}, "cancel_at"),
    ],
)
def test_unacceptable(host: SubscriptionHost, wishes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cancel_subscription(subscription=host.subscribed(), **wishes)
    assert refused.value.field == field
