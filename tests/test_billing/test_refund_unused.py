"""What an end at once gives back: the unused rest, to what it was paid with, and once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderUnavailable, WrongState
from django_stripe_gateway.gateways.invoice_money import CreditNoteRequest
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.add_items import add_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_cancel import balance, half_way, refunded

pytestmark = pytest.mark.django_db(transaction=True)


def gateway(host: SubscriptionHost) -> Any:
    return get_billing_gateway(host.customer.variant)


def refund_by_note(host: SubscriptionHost, invoice_id: str, amount: int) -> None:
    request = CreditNoteRequest(invoice_id, "USD", amount=Decimal(amount), refund_amount=Decimal(amount))
    gateway(host).create_credit_note(request, idempotency_key="goodwill")


def payment(host: SubscriptionHost) -> str:
    """Return the id of the first payment."""
    return str(host.fake.all("payment_intent")[-1]["id"])


def test_goes_to_the_card_and_is_no_more_than_the_rest(host: SubscriptionHost) -> None:
    found = half_way(host)
    ended = cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert ended.status == "canceled"
    assert 900 <= refunded(host) <= 1100
    (note,) = host.fake.all("credit_note")
    assert note["amount"] == refunded(host)
    assert balance(host) == 0


def test_of_a_change_that_was_not_invoiced_yet(host: SubscriptionHost) -> None:
    """Half of 20.00 was used and half is left; the dearer plan of the second half was never paid."""
    found = change_subscription(subscription=half_way(host), pricing=host.premium, proration="create_prorations")
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 900 <= refunded(host) <= 1100


def test_over_two_payments(host: SubscriptionHost) -> None:
    found = host.subscribed()
    host.change_card(found, "pm_card_visa")
    found = change_subscription(subscription=found, pricing=host.premium, proration="always_invoice")
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert len(host.fake.all("refund")) == 2
    assert 4900 <= refunded(host) <= 5000


def test_of_a_yearly_add_on(host: SubscriptionHost) -> None:
    """Each invoice gives back what is unused of it: half of the second month, and about 320 of 365 days."""
    yearly = host.sell("support", Decimal("120.00"), is_add_on=True, interval="year")
    add_item(subscription=host.subscribed(), pricing=yearly, proration="always_invoice")
    host.fake.advance(days=45)
    host.deliver_new()
    found = Subscription.objects.select_related("customer").get()
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    given_back = {note["invoice"]: note["amount"] for note in host.fake.all("credit_note")}
    by_paid = {host.fake.get(invoice)["amount_paid"]: amount for invoice, amount in given_back.items()}
    assert set(by_paid) == {2000, 12000}
    assert 950 <= by_paid[2000] <= 1100
    assert 10400 <= by_paid[12000] <= 10600
    assert balance(host) == 0


def test_is_less_what_was_given_back_of_the_period_that_runs(host: SubscriptionHost) -> None:
    """A month that is over was given back wholly, which takes nothing off what the year's payment gives back."""
    yearly = host.sell("support", Decimal("120.00"), is_add_on=True, interval="year")
    add_item(subscription=host.subscribed(), pricing=yearly, proration="always_invoice")
    first = next(invoice for invoice in host.fake.all("invoice") if invoice["amount_paid"] == 2000)
    refund_by_note(host, first["id"], 20)
    host.fake.advance(days=45)
    host.deliver_new()
    found = Subscription.objects.select_related("customer").get()
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 2000 + 11350 <= refunded(host) <= 2000 + 11700


def test_what_was_given_back_already_is_not_credited(either_host: SubscriptionHost) -> None:
    host = either_host
    found = half_way(host)
    (invoice,) = host.fake.all("invoice")
    refund_by_note(host, invoice["id"], 20)
    ended = cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert (ended.status, refunded(host), balance(host)) == ("canceled", 2000, 0)


def test_after_a_downgrade_that_was_not_invoiced_yet(either_host: SubscriptionHost) -> None:
    """Half of 50.00 was used, 5 days of 20.00; the rest of what was paid goes back."""
    host = either_host
    found = host.subscribed(host.premium)
    host.fake.advance(days=15)
    found = change_subscription(subscription=found, pricing=host.basic, proration="create_prorations")
    host.fake.advance(days=5)
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 2050 <= refunded(host) <= 2300
    assert balance(host) == 0


def test_with_tax_and_an_odd_price(either_host: SubscriptionHost) -> None:
    host = either_host
    host.fake.tax_percent = 19
    found = host.subscribed(host.sell("odd", Decimal("9.99")))
    for seconds in (86_417, 86_431):
        host.fake.advance(seconds=seconds)
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 880 <= refunded(host) <= 1190


def test_of_a_trial_has_nothing_to_give_back(either_host: SubscriptionHost) -> None:
    host = either_host
    PlanPricing.objects.filter(pk=host.basic.pk).update(trial_days=10)
    found = host.subscribed()
    assert found.status == "trialing"
    ended = cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert (ended.status, refunded(host), balance(host)) == ("canceled", 0, 0)


@pytest.mark.parametrize("credit", [1500, 2000])
def test_of_what_a_credit_has_paid_is_refused(either_host: SubscriptionHost, credit: int) -> None:
    """Of the second month, a credit has paid a part or all: neither is lost, and neither becomes a credit unasked."""
    host = either_host
    found = host.subscribed()
    gateway(host).v1.customers.update(host.customer.provider_id, {"balance": -credit})
    host.fake.advance(days=31, hours=2)
    host.deliver_new()
    assert balance(host) == 0
    found.refresh_from_db()
    for _attempt in range(2):
        with pytest.raises(WrongState) as refused:
            cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
        assert refused.value.code == "not_refundable"
    assert host.fake.get(found.provider_id)["status"] == "active"
    assert (refunded(host), balance(host)) == (0, 0)
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="credit")
    assert -2000 <= balance(host) <= -1800


def test_of_what_was_not_paid_is_refused(host: SubscriptionHost) -> None:
    found = host.subscribed()
    host.change_card(found, "pm_card_chargeCustomerFail")
    host.fake.advance(days=31, hours=2)
    host.deliver_new()
    found.refresh_from_db()
    assert found.status == "past_due"
    with pytest.raises(WrongState) as refused:
        cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert refused.value.code == "not_refundable"
    assert (refunded(host), balance(host)) == (0, 0)


def test_of_what_has_ended_in_the_dashboard(either_host: SubscriptionHost) -> None:
    host = either_host
    found = half_way(host)
    host.fake.cancel_subscription(found.provider_id)
    host.let_change_terms()
    wish = {"subscription_id": found.provider_id, "at_period_end": False, "refund_unused": "refund"}
    answer = host.post("cancel", wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    found.refresh_from_db()
    assert found.status == "canceled"
    assert refunded(host) == 0


def test_silent_provider_is_asked_nothing_else(host: SubscriptionHost) -> None:
    found = half_way(host)
    host.fake.fault("POST", "/v1/invoices/create_preview", kind="error_500_before", times=9)
    with pytest.raises(ProviderUnavailable):
        cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    host.fake.clear_faults()
    assert host.fake.get(found.provider_id)["status"] == "active"


def test_same_key_gets_the_first_answer(either_host: SubscriptionHost) -> None:
    """Even for who still holds the subscription as it was."""
    host = either_host
    found = half_way(host)
    before = Subscription.objects.select_related("customer").get(pk=found.pk)
    for subscription in (found, before):
        ended = cancel_subscription(
            subscription=subscription, at_period_end=False, refund_unused="refund", idempotency_key="once"
        )
        assert ended.status == "canceled"
    assert len(host.fake.all("refund")) == 1


def test_refused_leaves_it_running(host: SubscriptionHost) -> None:
    found = half_way(host)
    # Stripe refunds nothing of what is disputed, be it in part.
    host.fake.dispute(payment(host), 100)
    with pytest.raises(WrongState):
        cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    found.refresh_from_db()
    assert (found.status, host.fake.get(found.provider_id)["status"]) == ("active", "active")


@pytest.mark.parametrize(("by_hand", "left"), [(400, 600), (1000, 0), (2000, 0)])
def test_is_less_what_was_refunded_on_the_charge(either_host: SubscriptionHost, by_hand: int, left: int) -> None:
    host = either_host
    found = half_way(host)
    host.fake.dashboard_refund(payment(host), by_hand)
    ended = cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert (ended.status, balance(host)) == ("canceled", 0)
    assert by_hand + left * 0.9 <= refunded(host) <= by_hand + left * 1.1


def test_counts_what_was_given_back_in_both_ways_once(either_host: SubscriptionHost) -> None:
    host = either_host
    found = half_way(host)
    (invoice,) = host.fake.all("invoice")
    refund_by_note(host, invoice["id"], 3)
    host.fake.dashboard_refund(payment(host), 300)
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 900 <= refunded(host) <= 1100


def test_that_failed_gave_nothing_back(host: SubscriptionHost) -> None:
    found = half_way(host)
    host.fake.dashboard_refund(payment(host), 1000)
    host.fake.fail_refund(host.fake.all("refund")[0]["id"])
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 1900 <= refunded(host) <= 2100


def test_of_what_a_fee_of_the_sellers_waits_beside(either_host: SubscriptionHost) -> None:
    """It is charged with the next invoice all the same, so that nothing is taken off for it."""
    host = either_host
    found = half_way(host)
    host.fake.add_invoice_item(found.provider_id or "", 600, "Set-up")
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert 900 <= refunded(host) <= 1100
    assert [(item["amount"], item["invoice"]) for item in host.fake.all("invoiceitem")] == [(600, None)]


def test_of_nothing_lets_a_fee_be_charged(host: SubscriptionHost) -> None:
    """The dearer plan that was not paid yet leaves no rest, so that there is a last invoice for both."""
    found = half_way(host)
    host.change_card(found, "pm_card_visa")
    found = change_subscription(subscription=found, pricing=host.premium, proration="create_prorations")
    host.fake.advance(days=14)
    host.fake.add_invoice_item(found.provider_id or "", 600, "Set-up")
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    assert refunded(host) == 0
    _first, last = host.fake.all("invoice")
    assert last["status"] == "paid"
    assert last["total"] >= 600
    assert all(item["invoice"] == last["id"] for item in host.fake.all("invoiceitem"))
