"""Two requests of one owner, and many deliveries, at once: one effect each. Run on every database."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter, CustomerDetails
from django_stripe_gateway.exceptions import GatewayError, InvalidAmount, OperationInProgress, WrongState
from django_stripe_gateway.models import Customer, Dispute, Invoice, Subscription, WebhookEvent
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.credit_notes import issue_credit_note
from django_stripe_gateway.services.subscriptions.customers import ensure_customer, mark_customer_deleted
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.months import a_month_with_a_failure, announced_once, let_it_be_over, moved, state_of
from tests.test_webhooks.support import deliver, in_threads

pytestmark = pytest.mark.django_db(transaction=True)

# SQLite lets one writer at a time: more threads would only wait longer.
THREADS = 4 if connection.vendor == "sqlite" else 20


def client_of(user: Any) -> APIClient:
    """Return a client that no other thread uses."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def caught(call: Callable[[], Any]) -> Any:
    """Return what a call returns or raises."""
    try:
        return call()
    except GatewayError as error:
        return error


@pytest.mark.parametrize("is_known", [True, False])
def test_customer_of_a_new_account(host: SubscriptionHost, settings: Any, is_known: bool) -> None:
    """One row for each account, whoever comes first, and whether or not anybody knows the account already."""
    ensure_customer(owner=host.user)
    settings.STRIPE_GATEWAY_ACCOUNT_ID = "acct_other" if is_known else ""
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_other"
    host.fake.add_key("sk_test_other", account="acct_other")
    known_accounts.forget()
    calls = [lambda: caught(lambda: ensure_customer(owner=host.user))] * THREADS
    found = in_threads(calls, len(calls))
    made = [row for row in found if isinstance(row, Customer)]
    assert made
    assert all(isinstance(row, Customer | OperationInProgress) for row in found), found
    assert sorted(Customer.objects.values_list("account_id", flat=True)) == ["acct_1FakeStripe000000", "acct_other"]
    assert len({row.provider_id for row in made}) == 1
    assert len(host.fake.all("customer")) == 2
    known_accounts.forget()


def test_subscribe(host: SubscriptionHost) -> None:
    body = {"plan_id": host.basic.plan_id}
    calls = [functools.partial(host.post, "subscribe", body, client=client_of(host.user))] * min(THREADS, 10)
    answers = in_threads(calls, len(calls))
    assert {answer.status_code for answer in answers} <= {201, 409}, [answer.content for answer in answers]
    made = {answer.json()["subscription_id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    for answer in answers:
        if answer.status_code == 409 and answer.json()["code"] != "already_subscribed":
            assert answer.headers["Retry-After"] == "1"
    assert (len(host.fake.all("customer")), len(host.fake.all("subscription"))) == (1, 1)
    assert (Customer.objects.count(), Subscription.objects.count()) == (1, 1)
    assert Customer.objects.get().former_ids == []


def test_ensure_customer__made_since_it_was_read(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.DetailsFromElsewhere"
    FASTER.append(functools.partial(ensure_customer, owner=host.user))
    ensure_customer(owner=host.user)
    assert FASTER == []
    assert len(host.fake.all("customer")) == 1
    assert host.customer.former_ids == []


# What another request does after this one has read the row and before it asks the provider.
FASTER: list[Callable[[], Any]] = []


class DetailsFromElsewhere(Adapter):
    def customer_details(self, owner: Any) -> CustomerDetails:
        while FASTER:
            FASTER.pop()()
        return {"email": owner.email}


def test_deleted_customer__made_anew_meanwhile(host: SubscriptionHost) -> None:
    stale = ensure_customer(owner=host.user)
    host.fake.delete_customer(stale.provider_id)
    mark_customer_deleted(stale)
    again = ensure_customer(owner=host.user)
    # Another request has met the same deletion and is slower.
    mark_customer_deleted(stale)
    assert ensure_customer(owner=host.user).provider_id == again.provider_id != stale.provider_id
    assert host.customer.former_ids == [stale.provider_id]


def test_cancel_and_change(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    results = in_threads(
        [
            lambda: caught(lambda: cancel_subscription(subscription=subscription)),
            lambda: caught(lambda: change_subscription(subscription=subscription, pricing=host.premium)),
            lambda: caught(lambda: cancel_subscription(subscription=subscription, at_period_end=False)),
        ],
        3,
    )
    errors = [result for result in results if isinstance(result, Exception)]
    assert len(errors) < 3
    assert all(isinstance(error, OperationInProgress | WrongState) for error in errors), errors
    host.deliver_new()
    subscription.refresh_from_db()
    at_stripe = host.fake.get(subscription.provider_id)
    assert subscription.status == at_stripe["status"]
    assert subscription.price_id == at_stripe["items"]["data"][0]["price"]["id"]
    assert subscription.has_ended or subscription.cancel_at_period_end is at_stripe["cancel_at_period_end"]


@pytest.mark.slow
@pytest.mark.database
def test_a_month_delivered_at_once(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    subscription, expected = a_month_with_a_failure(host)
    offset = let_it_be_over(host)
    events = [moved(event, offset) for event in host.new_events()]
    recorded_signals.sent.clear()

    def deliver_everything(seed: int) -> Counter[int]:
        chance = random.Random(seed)
        return Counter(deliver(event).status_code for event in chance.sample(events, len(events)))

    answers = in_threads([functools.partial(deliver_everything, seed) for seed in range(THREADS)], THREADS)
    assert sum(answers, Counter()) == {200: THREADS * len(events)}
    assert WebhookEvent.objects.filter(state__in=["failed", "dead", "pending"]).count() == 0
    assert state_of(subscription) == expected
    announced = announced_once(recorded_signals)
    assert announced["subscription_activated"] == 1
    assert announced["subscription_renewed"] == 2


def test_refunds_at_once__never_give_back_more_than_was_paid(host: SubscriptionHost) -> None:
    host.subscribed()
    invoice = Invoice.objects.get(status="paid")

    def refund() -> Any:
        return caught(lambda: refund_invoice(invoice=invoice, amount=Decimal(12)))

    def credit() -> Any:
        return caught(lambda: issue_credit_note(invoice=invoice, amount=Decimal(12), credit_amount=Decimal(12)))

    calls = [refund, credit] * (THREADS // 2)
    found = in_threads(calls, len(calls))
    made = [one for one in found if not isinstance(one, Exception)]
    assert len(made) == 1, found
    assert all(isinstance(one, OperationInProgress | WrongState | InvalidAmount) for one in found if one not in made)
    given_back = sum(one["amount"] for one in host.fake.all("refund")) + sum(
        one["amount"] for one in host.fake.all("credit_note")
    )
    assert given_back == 1200
    invoice.refresh_from_db()
    assert invoice.refunded_amount + invoice.credited_amount == 12


def test_deliveries_of_one_dispute_at_once__announce_each_status_once(
    host: SubscriptionHost, recorded_signals: SignalRecorder
) -> None:
    host.subscribed()
    intent_id = host.fake.intent_of(Invoice.objects.get(status="paid").provider_id)
    events = host.fake.dispute(intent_id)
    dispute_id = events[0]["data"]["object"]["id"]
    for status in ("lost", "won"):
        host.fake.advance(seconds=2)
        events += host.fake.move_dispute(dispute_id, status)
    calls = [functools.partial(deliver, event) for event in events] * 2
    random.Random(5).shuffle(calls)
    in_threads(calls, THREADS)
    host.deliver(events)
    assert Dispute.objects.get().status == "won"
    told = [values["dispute"]["status"] for values in recorded_signals.values("invoice_disputed")]
    assert told[-1] == "won"
    assert len(told) == len(set(told))
