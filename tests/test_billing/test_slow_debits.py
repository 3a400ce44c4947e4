"""Bank debits take days: who has paid by one is not late, nor made to pay twice; nor are those that fail worth more."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PlanPricing, Subscription
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

BAD, BANK = "pm_card_chargeCustomerFail", "pm_usBankAccount"


@pytest.fixture(autouse=True)
def _customers(clock: None, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default"]


def now(found: Subscription) -> Subscription:
    found.refresh_from_db()
    assert found.is_valid == Subscription.objects.valid().filter(pk=found.pk).exists()
    return found


def renewed(host: SubscriptionHost, found: Subscription, method: str) -> str:
    """Let the renewal be charged on a method, and return its invoice."""
    host.change_card(found, method)
    host.deliver_new()
    host.fake.advance_to(host.fake.get(found.provider_id)["items"]["data"][0]["current_period_end"] + 4000)
    host.deliver_new()
    return str(host.fake.get(found.provider_id)["latest_invoice"])


def pay_by_debit(host: SubscriptionHost, invoice: str) -> None:
    gateway, customer = get_billing_gateway("stripe"), host.customer.provider_id or ""
    bank = gateway.attach_payment_method(BANK, customer, idempotency_key=f"bank-{host.fake.state.now()}")
    answer = host.post(f"invoices/{invoice}/pay", {"payment_method": bank.payment_method_id})
    assert answer.status_code == 200, answer.content
    host.deliver_new()


def decide(host: SubscriptionHost, *, succeeded: bool, invoice: str = "") -> None:
    intent = next(one for one in host.fake.all("payment_intent") if one["status"] == "processing")
    host.fake.settle_intent(intent["id"], succeeded)
    host.deliver_new()


def cancel(host: SubscriptionHost, found: Subscription) -> None:
    body = {"subscription_id": found.provider_id, "at_period_end": False}
    assert host.post("cancel", body).status_code == 200
    host.deliver_new()


@pytest.mark.parametrize("succeeded", [True, False])
def test_renewal__cancelled_and_begun_again(either_host: SubscriptionHost, succeeded: bool) -> None:
    """One payment that is under way is believed, and a second is not asked for; what has failed is owed."""
    host = either_host
    found = host.subscribed(host.premium)
    invoice = renewed(host, found, BANK)
    assert (now(found).status, found.is_valid) == ("active", True)
    cancel(host, found)
    if not succeeded:
        decide(host, succeeded=False)
        answer = host.post("subscribe", {"plan_id": host.basic.plan_id})
        assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
        assert invoice in answer.json()["detail"]
        return
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 201


def test_renewal__more_is_sold(either_host: SubscriptionHost) -> None:
    host = either_host
    support = host.sell("support", host.basic.amount, is_add_on=True)
    PlanPricing.objects.filter(pk=support.pk).update(may_be_added=True)
    found = host.subscribed(host.premium)
    renewed(host, found, BANK)
    more = {"subscription_id": found.provider_id, "pricing_id": support.pk}
    assert host.post("items", more).status_code == 201


def test_two_renewals__no_more_is_sold(either_host: SubscriptionHost) -> None:
    """Nor is a row of debits believed that have not failed yet."""
    host = either_host
    daily = host.sell("daily", host.basic.amount, interval="day")
    PlanPricing.objects.filter(pk=daily.pk).update(is_per_seat=True)
    found = host.subscribed(daily)
    more = {"subscription_id": found.provider_id, "quantity": 2}
    renewed(host, found, BANK)
    renewed(host, found, BANK)
    answer = host.post("change", more)
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_under_way")


def test_after_a_failure__more_waits(either_host: SubscriptionHost) -> None:
    """It is neither to be paid again, nor believed so early: a row of debits that fail would be worth as much."""
    host = either_host
    support = host.sell("support", host.basic.amount, is_add_on=True)
    PlanPricing.objects.filter(pk=support.pk).update(may_be_added=True)
    found = host.subscribed(host.premium)
    pay_by_debit(host, renewed(host, found, BAD))
    more = {"subscription_id": found.provider_id, "pricing_id": support.pk}
    for path, body in (("items", more), ("subscribe", {"plan_id": host.basic.plan_id})):
        answer = host.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "payment_under_way"), path


def test_grace__goes_on_until_it_is_decided(either_host: SubscriptionHost) -> None:
    host = either_host
    found = host.subscribed(host.premium)
    pay_by_debit(host, renewed(host, found, BAD))
    host.fake.advance(days=8)
    host.deliver_new()
    assert (now(found).status, found.is_valid) == ("past_due", True)
    decide(host, succeeded=True)
    assert (now(found).status, found.is_valid, found.late_payment_under_way) == ("active", True, False)


def test_grace__debits_that_fail_are_worth_no_more(either_host: SubscriptionHost) -> None:
    host = either_host
    found = host.subscribed(host.premium)
    invoice = renewed(host, found, BAD)
    pay_by_debit(host, invoice)
    host.fake.advance(days=8)
    host.deliver_new()
    decide(host, succeeded=False)
    assert not now(found).is_valid
    days = 8
    for _attempt in range(12):
        if host.fake.get(invoice)["status"] != "open":
            break
        pay_by_debit(host, invoice)
        host.fake.advance(days=4)
        days += 4 * now(found).is_valid
        host.deliver_new()
        decide(host, succeeded=False)
        assert not now(found).is_valid
    assert days <= 31


def test_first_payment__nothing_is_ended_meanwhile(either_host: SubscriptionHost) -> None:
    host = either_host
    first = host.subscribe(host.basic)
    assert first["status"] == "incomplete"
    host.fake.customer_pays(first["subscription_id"], BANK)
    host.deliver_new()
    assert host.fake.get(first["subscription_id"])["status"] == "incomplete"
    answer = host.post("subscribe", {"plan_id": host.premium.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_under_way")
    decide(host, succeeded=True)
    assert host.fake.get(first["subscription_id"])["status"] == "active"
