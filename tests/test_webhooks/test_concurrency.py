"""Many deliveries at once: one effect each, whichever comes first."""

from __future__ import annotations

import functools
import json
import random
import sys
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connection, connections

from django_stripe_gateway.models import PaymentLog, Refund, WebhookEvent
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.create import create_payment, start_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SignalRecorder
from tests.factories import (
    as_body,
    intent_object,
    make_event,
    make_payment,
    make_user,
    refund_object,
    session_object,
)
from tests.fake_stripe.events import signature_header
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.support import SECRET, deliver, deliver_all, in_threads, only, row_of, wsgi_request

pytestmark = pytest.mark.django_db(transaction=True)

# SQLite lets one writer at a time: more threads would only wait longer.
THREADS = 8 if connection.vendor == "sqlite" else 50


def test_same_event_at_once(recorded_signals: SignalRecorder) -> None:
    payment = make_payment()
    event = make_event("checkout.session.completed", session_object(payment))
    answers = in_threads([functools.partial(deliver, event)] * THREADS, THREADS)
    assert Counter(answer.status_code for answer in answers) == {200: THREADS}
    assert {answer.json()["state"] for answer in answers} == {"processed"}
    assert (WebhookEvent.objects.get().attempts, PaymentLog.objects.count()) == (1, 1)
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]


@pytest.mark.slow
@pytest.mark.database
def test_same_events_at_once(recorded_signals: SignalRecorder) -> None:
    """Every thread delivers the same events, four about each of fifty payments, each in an order of its own."""
    payments = 5 if connection.vendor == "sqlite" else 50
    events = []
    for number in range(payments):
        payment = make_payment(transaction_id=f"cs_own_{number}")
        marked = {"id": f"pi_own_{number}"}
        session = session_object(payment, payment_intent=f"pi_own_{number}")
        payment.intent_id = f"pi_own_{number}"
        refunds = [refund_object(payment, amount, metadata=session["metadata"]) for amount in (300, 700)]
        events.append(make_event("checkout.session.completed", session))
        events.append(make_event("payment_intent.succeeded", intent_object(payment, **marked)))
        events += [make_event("refund.created", refund) for refund in refunds]
    assert len(events) == 4 * payments
    # Signed once: what is measured is not how quickly a test signs.
    now = int(time.time())
    paying, refunding = (
        [
            (body, signature_header(body, SECRET, now))
            for body in map(as_body, (one for one in events if one["type"].startswith("refund") is is_refund))
        ]
        for is_refund in (False, True)
    )

    handler = BaseHandler()
    handler.load_middleware()

    def deliver_everything(seed: int) -> Counter[tuple[int, str]]:
        answers: Counter[tuple[int, str]] = Counter()
        # A refund that comes before its payment is paid has Stripe asked, which is another test's.
        order = random.Random(seed)
        shuffled = [*order.sample(paying, len(paying)), *order.sample(refunding, len(refunding))]
        for body, header in shuffled:
            # As the WSGI server hands it over; the test client would take as long as the view.
            answer = handler.get_response(wsgi_request(body, HTTP_STRIPE_SIGNATURE=header))
            answers[answer.status_code, json.loads(answer.content).get("state", "")] += 1
        return answers

    interval = sys.getswitchinterval()
    try:
        # Threads change places while they wait for the database; with more changes most time would go into those.
        sys.setswitchinterval(0.5)
        answers = in_threads([functools.partial(deliver_everything, seed) for seed in range(THREADS)], THREADS)
    finally:
        sys.setswitchinterval(interval)
    assert sum(answers, Counter()) == {(200, "processed"): len(events) * THREADS}
    assert WebhookEvent.objects.count() == len(events)
    assert set(WebhookEvent.objects.values_list("state", "attempts")) == {("processed", 1)}
    counts = Counter(recorded_signals.names)
    refunded = 2 * payments
    assert counts == {
        "webhook_received": len(events),
        "webhook_processed": len(events),
        "payment_confirmed": payments,
        "payment_refunded": refunded,
    }
    logs = Counter(PaymentLog.objects.values_list("event", flat=True))
    # Confirmed, then refunded; or at once refunded, where both refunds came first.
    assert payments <= logs.pop("status_changed") <= 2 * payments
    assert logs == {"refund_created": refunded} or logs.keys() == {"refund_created", "updated"}
    assert logs["refund_created"] == Refund.objects.count() == refunded
    ends = Counter(type(payment).objects.values_list("status", "captured_amount", "refunded_amount"))
    assert ends == {("refunded", 10, 10): payments}


@pytest.mark.usefixtures("registry")
def test_failed_event_at_once(recorded_signals: SignalRecorder) -> None:
    """Deliveries of an event that failed before: handled by one of them."""
    failing = [True]
    calls: list[str] = []

    @handles("shop.opened")
    def handle(event: Any) -> None:
        if failing:
            raise ValueError
        calls.append(event.id)

    event = make_event("shop.opened", {"id": "x"})
    assert deliver(event).status_code == 500
    failing.clear()
    answers = in_threads([functools.partial(deliver, event)] * THREADS, THREADS)
    assert {answer.status_code for answer in answers} == {200}
    assert (row_of(event).state, row_of(event).attempts) == ("processed", 2)
    assert len(calls) == 1
    assert recorded_signals.names == ["webhook_received", "webhook_failed", "webhook_processed"]


@pytest.mark.usefixtures("registry")
def test_failing_event_at_once() -> None:
    """Every delivery is asked to come again, and one row is kept."""

    @handles("shop.opened")
    def handle(event: Any) -> None:
        raise ValueError

    event = make_event("shop.opened", {"id": "x"})
    answers = in_threads([functools.partial(deliver, event)] * 8, 8)
    assert {answer.status_code for answer in answers} == {500}
    assert WebhookEvent.objects.get().state == "failed"
    assert 1 <= WebhookEvent.objects.get().attempts <= 8


@pytest.mark.usefixtures("registry")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one lock, so that nobody waits for two")
def test_deadlock() -> None:
    """Two events whose handlers lock the same rows in opposite orders: one is undone, and done again."""
    one, two = make_payment(), make_payment()
    model = type(one)
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    @handles("shop.opened")
    def lock_both(event: Any) -> None:
        runs.append(event.id)
        for index, pk in enumerate(event.object["order"]):
            model.objects.select_for_update().get(pk=pk)
            if index == 0 and len(runs) <= 2:
                both_hold_one.wait(10)
        model.objects.filter(pk=one.pk).update(message=event.id)

    events = [make_event("shop.opened", {"id": "x", "order": order}) for order in ([one.pk, two.pk], [two.pk, one.pk])]
    answers = in_threads([functools.partial(deliver, event) for event in events], 2)
    assert [answer.json().get("state") for answer in answers] == ["processed", "processed"]
    assert len(runs) > 2
    assert set(WebhookEvent.objects.values_list("state", "attempts")) == {("processed", 1)}


# A webhook can overtake the answer to the call that caused it.


def deliver_while_held(fake: FakeStripe, call: Any, path: str, events: Any) -> tuple[Any, list[str]]:
    """Call the provider in a thread; once it has acted, and before it answers, deliver the events."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        finally:
            connections.close_all()

    with fake.hold("POST", path, when="after", times=1) as held:
        thread = threading.Thread(target=run)
        thread.start()
        held.wait()
        states = deliver_all(events())
        held.release()
        thread.join(20)
    assert results, "the call raised"
    return results[0], states


@pytest.mark.parametrize(
    "order",
    [
        ["checkout.session.completed", "payment_intent.succeeded"],
        ["checkout.session.completed"],
        ["payment_intent.succeeded", "checkout.session.completed"],
        ["payment_intent.succeeded"],
    ],
    ids=" ".join,
)
def test_overtaken__create(stripe_server: FakeStripe, recorded_signals: SignalRecorder, order: list[str]) -> None:
    owner = make_user()

    def create() -> Any:
        return create_payment(owner=owner, gateway="stripe", amount=Decimal("10.00"), currency="USD")

    def events() -> list[Any]:
        paid = stripe_server.complete_checkout(stripe_server.all("checkout.session")[0]["id"])
        return [only(paid, event_type)[0] for event_type in order]

    payment, states = deliver_while_held(stripe_server, create, "/v1/checkout/sessions", events)
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
    assert payment.transaction_id.startswith("cs_")
    assert payment.intent_id.startswith("pi_")
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert set(states) == {"processed"}
    assert not PaymentLog.objects.filter(event="mismatch").exists()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("amount", [None, 3])
def test_overtaken__refund(
    stripe_server: FakeStripe, recorded_signals: SignalRecorder, flip: bool, amount: int | None
) -> None:
    payment = create_payment(owner=make_user(), gateway="stripe", amount=Decimal("10.00"), currency="USD")
    deliver_all(stripe_server.complete_checkout(payment.transaction_id))
    payment.refresh_from_db()

    def refund() -> Any:
        return refund_payment(payment=payment, amount=amount and Decimal(amount))

    def events() -> list[Any]:
        found = stripe_server.events("refund.created") + stripe_server.events("charge.refunded")
        return found[::-1] if flip else found

    refund_row, states = deliver_while_held(stripe_server, refund, "/v1/refunds", events)
    payment.refresh_from_db()
    assert set(states) == {"processed"}
    assert payment.refunded_amount == (amount or 10)
    assert (payment.refunds.get().pk, refund_row.status) == (refund_row.pk, "succeeded")
    assert recorded_signals.names.count("payment_refunded") == 1


def test_overtaken__capture_and_cancel(stripe_server: FakeStripe, recorded_signals: SignalRecorder) -> None:
    def authorised() -> Any:
        payment = create_payment(
            owner=make_user(), gateway="stripe", amount=Decimal("10.00"), currency="USD", capture_method="manual"
        )
        deliver_all(stripe_server.complete_checkout(payment.transaction_id))
        payment.refresh_from_db()
        return payment

    payment = authorised()
    deliver_while_held(
        stripe_server,
        lambda: capture_payment(payment=payment, amount=Decimal("6.00")),
        "/v1/payment_intents/*/capture",
        lambda: stripe_server.events("payment_intent.succeeded", payment.intent_id),
    )
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 6)
    assert recorded_signals.names.count("payment_captured") == 1
    released = authorised()
    deliver_while_held(
        stripe_server,
        lambda: cancel_payment(payment=released),
        "/v1/payment_intents/*/cancel",
        lambda: stripe_server.events("payment_intent.canceled", released.intent_id),
    )
    released.refresh_from_db()
    assert released.status == "cancelled"
    assert recorded_signals.names.count("payment_cancelled") == 1


def test_old_attempts_event__while_a_new_session_is_open(stripe_server: FakeStripe) -> None:
    """A late event of an earlier attempt's intent must not take the new attempt's place."""
    payment = create_payment(owner=make_user(), gateway="stripe", amount=Decimal("10.00"), currency="USD")
    deliver_all(stripe_server.complete_checkout(payment.transaction_id, "pm_card_chargeDeclined"))
    expired = stripe_server.expire_session(payment.transaction_id)
    deliver_all(only(expired, "checkout.session.expired"))
    payment.refresh_from_db()
    payment = start_payment(payment=payment)
    deliver_all(only(expired, "payment_intent.canceled"))
    payment.refresh_from_db()
    assert payment.status == "waiting"
    deliver_all(stripe_server.complete_checkout(payment.transaction_id))
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
