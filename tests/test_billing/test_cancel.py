"""How a subscription ends: with a reason, on a date, and with what is left of it given back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.exceptions import InvalidInput, ProviderUnavailable
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


def half_way(host: SubscriptionHost) -> Subscription:
    """Return a subscription of which about half of the period is left; 20.00 were paid for it."""
    found = host.subscribed()
    host.fake.advance(days=15)
    return found


def no_zone(**wait: int) -> datetime:
    return timezone.make_naive(timezone.now() + timedelta(**wait))


def refunded(host: SubscriptionHost) -> int:
    return sum(refund["amount"] for refund in host.fake.all("refund"))


def balance(host: SubscriptionHost) -> int:
    """Return what the customer owes; what is credited to them makes it negative."""
    owed: int = host.fake.get(host.customer.provider_id)["balance"]
    return owed


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


def test_customers_say_why__of_what_ends_as_agreed(host: SubscriptionHost) -> None:
    """The end stays, and what they say is kept."""
    date = (timezone.now() + timedelta(days=10)).replace(microsecond=0)
    found = cancel_subscription(subscription=host.subscribed(), cancel_at=date)
    body = {"subscription_id": found.provider_id, "reason": "too_expensive", "comment": "Too much for us."}
    answer = host.post("cancel", body).json()
    assert answer["cancellation"] == {"reason": "too_expensive", "comment": "Too much for us."}
    found.refresh_from_db()
    assert (found.cancel_at, found.ends_as_agreed) == (date, True)
    assert host.fake.get(found.provider_id)["cancel_at_period_end"] is False


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


@pytest.mark.parametrize("lifting", ["resume", "change"])
def test_on_a_date__that_is_the_periods_end(either_host: SubscriptionHost, lifting: str) -> None:
    """It is no less agreed on than any other date."""
    host = either_host
    found = host.subscribed()
    ended = cancel_subscription(subscription=found, cancel_at=found.current_period_end)
    assert (ended.fixed_end, ended.ends_as_agreed) == (found.current_period_end, True)
    host.deliver_new()
    body = {"subscription_id": found.provider_id}
    body |= {"plan_id": host.premium.plan_id} if lifting == "change" else {}
    answer = host.post(lifting, body)
    assert (answer.status_code, answer.json().get("code")) in [(409, "agreed_end"), (200, None)]
    assert found.current_period_end is not None
    assert host.fake.get(found.provider_id)["cancel_at"] == int(found.current_period_end.timestamp())
    host.deliver_new()
    assert Subscription.objects.get().ends_as_agreed


def test_on_a_date__in_place_of_what_the_customer_asked_for(host: SubscriptionHost) -> None:
    found = cancel_subscription(subscription=host.subscribed())
    cancel_subscription(subscription=found, cancel_at=found.current_period_end)
    host.deliver_new()
    assert host.post("resume", {"subscription_id": found.provider_id}).json()["code"] == "agreed_end"


def test_credit(host: SubscriptionHost) -> None:
    cancel_subscription(subscription=half_way(host), at_period_end=False, refund_unused="credit")
    assert host.fake.all("refund") == []
    assert -1100 <= balance(host) <= -900


@pytest.mark.parametrize("fault", ["", "reset_before"])
def test_at_once__a_change_that_waits_cannot_be_paid_any_more(either_host: SubscriptionHost, fault: str) -> None:
    host = either_host
    found = host.subscribed()
    host.change_card(found, "pm_card_authenticationRequired")
    found = change_subscription(subscription=found, pricing=host.premium, proration="always_invoice")
    assert found.has_pending_update
    if fault:
        host.fake.fault("DELETE", "/v1/subscriptions/*", kind=fault, times=4)  # type: ignore[arg-type]
        with pytest.raises(ProviderUnavailable):
            cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
        host.fake.clear_faults()
    assert cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund").status == "canceled"
    assert sorted(invoice["status"] for invoice in host.fake.all("invoice")) == ["paid", "void"]
    assert 1990 <= refunded(host) <= 2000


def test_at_once__a_change_that_was_paid_meanwhile(host: SubscriptionHost) -> None:
    """Nobody here has heard of that."""
    found = host.subscribed()
    host.change_card(found, "pm_card_authenticationRequired")
    found = change_subscription(subscription=found, pricing=host.premium, proration="always_invoice")
    host.fake.customer_authenticates(host.fake.intent_of(found.provider_id or ""))
    ended = cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert ended.status == "canceled"
    assert 4950 <= refunded(host) <= 5000


def test_at_once__what_waits_is_invoiced(host: SubscriptionHost) -> None:
    found = half_way(host)
    host.change_card(found, "pm_card_visa")
    change_subscription(subscription=found, pricing=host.premium, proration="create_prorations")
    cancel_subscription(subscription=found, at_period_end=False)
    last = host.fake.all("invoice")[-1]
    assert (last["status"], Decimal(last["total"]) > 1000) == ("paid", True)


def charged(host: SubscriptionHost) -> Decimal:
    """Return what is invoiced in all, and is not void, less what the customer was credited."""
    invoices = [one for one in host.fake.all("invoice") if one["status"] != "void"]
    return Decimal(sum(one["total"] for one in invoices)) / 100


@pytest.mark.parametrize(
    ("steps", "least"),
    [
        # Of 20.00 a month and 50.00, half a month before its end; 20.00 are paid.
        (["up"], 34),
        (["up", "down", "up"], 34),
        (["up", "down"], 20),
        (["seats"], 39),
        (["seats", "one seat"], 20),
    ],
)
def test_at_once__changes_that_wait(host: SubscriptionHost, steps: list[str], least: int) -> None:
    """What was changed to more is charged; a change to less gives no credit to who leaves."""
    host.basic.is_per_seat = True
    host.basic.save()
    found = half_way(host)
    host.change_card(found, "pm_card_visa")
    wishes: dict[str, dict[str, Any]] = {
        "up": {"pricing": host.premium},
        "down": {"pricing": host.basic},
        "seats": {"quantity": 3},
        "one seat": {"quantity": 1},
    }
    for step in steps:
        change_subscription(subscription=now(found), proration="create_prorations", **wishes[step])
        host.deliver_new()
    cancel_subscription(subscription=now(found), at_period_end=False)
    assert least <= charged(host) <= least + 2
    assert balance(host) == 0


def test_at_once__a_change_to_less_is_no_credit(host: SubscriptionHost) -> None:
    found = host.subscribed(host.premium)
    host.fake.advance(days=1)
    change_subscription(subscription=found, pricing=host.basic, proration="create_prorations")
    assert cancel_subscription(subscription=now(found), at_period_end=False).has_ended
    host.fake.advance(days=40)
    assert (charged(host), balance(host)) == (50, 0)


def test_at_once__the_last_invoice_is_declined(host: SubscriptionHost) -> None:
    found = half_way(host)
    host.change_card(found, "pm_card_visa")
    change_subscription(subscription=found, pricing=host.premium, proration="create_prorations")
    host.change_card(found, "pm_card_chargeCustomerFail")
    assert cancel_subscription(subscription=now(found), at_period_end=False).has_ended
    host.deliver_new()
    owed = Invoice.objects.open().get()
    assert (owed.subscription, owed.amount_remaining > 10) == (found, True)


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"reason": "bored"}, "reason"),
        ({"comment": "x" * 5001}, "comment"),
        ({"refund_unused": "all"}, "refund_unused"),
        ({"refund_unused": "refund"}, "refund_unused"),
        ({"cancel_at": timezone.now()}, "cancel_at"),
        ({"cancel_at": no_zone(days=99)}, "cancel_at"),
        ({"cancel_at": timezone.now() + timedelta(days=99), "at_period_end": False}, "cancel_at"),
    ],
)
def test_unacceptable(host: SubscriptionHost, wishes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cancel_subscription(subscription=host.subscribed(), **wishes)
    assert refused.value.field == field
