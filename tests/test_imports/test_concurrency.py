"""An import beside running webhooks, and beside another import: one row of each. Run on every database."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from django.db import connection

from django_stripe_gateway.models import Customer, Invoice, Refund, Subscription, WebhookEvent, get_payment_model
from tests.conftest import SignalRecorder
from tests.test_imports.running_account import RunningAccount, run_import
from tests.test_webhooks.support import deliver, in_threads

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 2 if connection.vendor == "sqlite" else 6
Payment = get_payment_model()


def some_of_everything(account: RunningAccount, user: Any) -> str:
    """Return the subscription of a customer who has paid twice beside it."""
    customer = account.customer(metadata={"owner_id": str(user.pk)})
    subscription = account.subscribe(customer, account.basic)
    account.paid_page(customer)
    account.fake.dashboard_refund(account.intent(customer=customer)["id"], 500)
    return str(subscription["id"])


def rows() -> list[int]:
    """Return how many rows there are of each."""
    return [model._default_manager.count() for model in (Customer, Subscription, Invoice, Payment, Refund)]


def test_two_imports(account: RunningAccount, user: Any) -> None:
    some_of_everything(account, user)
    in_threads([run_import] * THREADS, THREADS)
    assert rows() == [1, 1, 1, 2, 1]
    assert {payment.refunded_amount for payment in Payment.objects.all()} == {0, 5}


def test_beside_webhooks(account: RunningAccount, user: Any, recorded_signals: SignalRecorder) -> None:
    subscription_id = some_of_everything(account, user)
    account.fake.advance(days=32)
    account.fake.cancel_subscription(subscription_id)
    events = account.fake.events()

    def deliver_all_events(start: int) -> None:
        for event in events[start::THREADS]:
            assert deliver(event).status_code == 200

    calls = [functools.partial(deliver_all_events, start) for start in range(THREADS)]
    in_threads([run_import, *calls], THREADS + 1)
    run_import()
    assert rows() == [1, 1, 2, 2, 1]
    subscription = Subscription.objects.get()
    assert subscription.status == "canceled"
    assert {invoice.status for invoice in Invoice.objects.all()} == {
        invoice["status"] for invoice in account.fake.all("invoice")
    }
    assert not WebhookEvent.objects.filter(state__in=("failed", "dead", "mismatched")).exists()
    ended = [name for name, _values in recorded_signals.sent if name == "subscription_ended"]
    assert len(ended) <= 1


def test_event_that_is_newer_than_the_list(account: RunningAccount, user: Any) -> None:
    """What the list said is old by the time that it is written."""
    subscription_id = some_of_everything(account, user)
    run_import("import_account", "--only", "customers,subscriptions")

    def end_meanwhile() -> None:
        hold.wait()
        before = len(account.fake.events())
        account.fake.cancel_subscription(subscription_id)
        for event in account.fake.events()[before:]:
            deliver(event)
        hold.release()

    with account.fake.hold("GET", "/v1/subscriptions", when="after") as hold:
        in_threads([run_import, end_meanwhile], 2)
    assert Subscription.objects.get().status == "canceled"
