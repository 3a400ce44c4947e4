"""Events that come before the row that they are about: kept, and handled when it appears."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from payments import get_payment_model

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import PaymentLog, WebhookEvent
from django_stripe_gateway.services import arrivals
from django_stripe_gateway.services.arrivals import handle_arrivals, known_objects
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.transactions import money_transaction
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.sweep import process_due_events
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SignalRecorder
from tests.factories import intent_object, make_event, make_payment, refund_object, session_object
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver, deliver_all, in_threads, only, pass_time, row_of

pytestmark = pytest.mark.django_db(transaction=True)


def dispute(intent_id: str) -> dict[str, Any]:
    """Return a dispute that names nothing but the intent."""
    obj = {"id": "du_1", "object": "dispute", "payment_intent": intent_id, "status": "needs_response"}
    return make_event("charge.dispute.created", obj | {"amount": 1000, "currency": "usd", "reason": "fraudulent"})


@pytest.mark.parametrize(
    ("event_type", "kind", "parent", "expected"),
    [
        ("charge.dispute.created", "dispute", "pi_1", "pi_1"),
        ("refund.created", "refund", {"id": "pi_1", "object": "payment_intent"}, "pi_1"),
        ("charge.refunded", "charge", None, ""),
        ("charge.refunded", "charge", "pi 1; DROP", ""),
        ("checkout.session.completed", "checkout.session", "pi_1", "pi_1"),
        ("payment_intent.succeeded", "payment_intent", ..., ""),
    ],
)
def test_related_id(event_type: str, kind: str, parent: Any, expected: str) -> None:
    event = make_event(
        event_type, {"id": "x_1", "object": kind} | ({} if parent is ... else {"payment_intent": parent})
    )
    deliver(event)
    assert (row_of(event).object_id, row_of(event).related_id) == ("x_1", expected)


def test_before_the_session__dispute_and_refund(recorded_signals: SignalRecorder) -> None:
    """A session names the intent; what only names that has come before."""
    payment = make_payment()
    refund = make_event("refund.created", refund_object(payment, 300, payment_intent="pi_7"))
    early = [dispute("pi_7"), refund]
    assert deliver_all(early) == ["unmatched", "unmatched"]
    session = make_event("checkout.session.completed", session_object(payment, payment_intent="pi_7"))
    assert deliver(session).json()["state"] == "processed"
    assert [(row_of(event).state, row_of(event).attempts) for event in early] == [("processed", 2)] * 2
    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount, payment.fraud_status) == ("confirmed", 3, "review")
    sent = [name for name in recorded_signals.names if name.startswith("payment_")]
    assert sent == ["payment_confirmed", "payment_disputed", "payment_refunded"]


def test_before_the_session__only_stripe_knows_whose_the_refund_is(shop: Shop) -> None:
    """It is asked what the intent was made for, and then how the payment stands; neither answer replaces the other."""
    payment = shop.payment()
    paid = only(shop.fake.complete_checkout(payment.transaction_id), "payment_intent.succeeded")
    events = shop.fake.dashboard_refund(paid[0]["data"]["object"]["id"], 300)
    deliver_all(event for event in events if "refund." in event["type"])
    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount) == ("confirmed", 3)


def test_oldest_first() -> None:
    payment = make_payment()
    seen: list[int] = []
    from django_stripe_gateway.webhooks.registry import temporary_handlers

    with temporary_handlers():

        @handles("refund.created")
        def note(event: Event) -> None:
            seen.append(event.object["amount"])

        for created, amount in ((30, 3), (10, 1), (20, 2)):
            obj = refund_object(payment, amount, payment_intent="pi_7")
            deliver(make_event("refund.created", obj, created=1_790_000_000 + created))
        seen.clear()
        deliver(make_event("checkout.session.completed", session_object(payment, payment_intent="pi_7")))
    assert seen == [1, 2, 3]


@pytest.mark.usefixtures("registry")
def test_failure__does_not_reach_the_caller(shop: Shop, caplog: Any) -> None:
    @handles("charge.dispute.created")
    def fail(event: Event) -> WebhookState:
        if get_payment_model().objects.filter(intent_id="pi_7").exists():
            raise ValueError("no")
        return WebhookState.UNMATCHED

    event = dispute("pi_7")
    deliver(event)
    session = make_event("checkout.session.completed", session_object(make_payment(), payment_intent="pi_7"))
    assert deliver(session).json()["state"] == "processed"
    assert row_of(event).state == "failed"
    assert row_of(event).next_attempt is not None


@pytest.mark.usefixtures("registry")
def test_database_error__does_not_reach_the_caller(monkeypatch: Any, caplog: Any) -> None:
    """Such as a connection that is lost after the commit; the sweeper finds the event."""
    event = dispute("pi_7")
    deliver(event)

    def lose(*args: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr("django_stripe_gateway.webhooks.inbox.process.process_event", lose)
    session = make_event("checkout.session.completed", session_object(make_payment(), payment_intent="pi_7"))
    assert deliver(session).json()["state"] == "processed"
    assert "could not be handled when its object appeared" in caplog.text
    monkeypatch.undo()
    pass_time(minutes=2)
    assert [row.state for row in process_due_events()] == ["processed"]


def test_only_after_commit() -> None:
    """Ids of a transaction that is undone have not arrived."""
    event = dispute("pi_7")
    deliver(event)
    payment = make_payment()

    def store_and_undo() -> None:
        with money_transaction():
            type(payment).objects.filter(pk=payment.pk).update(intent_id="pi_7")
            handle_arrivals("", "pi_7")
            raise ValueError

    with pytest.raises(ValueError):
        store_and_undo()
    assert row_of(event).state == "unmatched"
    with transaction.atomic():
        type(payment).objects.filter(pk=payment.pk).update(intent_id="pi_7")
        handle_arrivals("", "pi_7")
    assert row_of(event).state == "processed"
    with connection.execute_wrapper(lambda *_args: pytest.fail("nothing to ask for")):
        handle_arrivals("", "")


@pytest.mark.usefixtures("registry")
def test_unmatched_for_the_hosts_own_reasons__ends() -> None:
    """The payment is known, but a host's handler says "unmatched": looked at once more, not for ever."""
    calls: list[str] = []

    @handles("payment_intent.processing")
    def note(event: Event) -> WebhookState:
        calls.append(event.id)
        return WebhookState.UNMATCHED

    payment = make_payment(transaction_id="pi_1", intent_id="pi_1")
    event = make_event("payment_intent.processing", intent_object(payment, "processing"))
    assert deliver(event).json()["state"] == "unmatched"
    assert len(calls) == 2


def test_sweeper__finds_what_a_killed_process_left() -> None:
    known, unknown = dispute("pi_7"), dispute("pi_8")
    deliver_all([known, unknown])
    make_payment(intent_id="pi_7", status="confirmed")
    assert list(process_due_events()) == []
    pass_time(seconds=61)
    assert [(row.event_id, row.state) for row in process_due_events()] == [(known["id"], "processed")]
    # Nobody has run its handlers again; it is looked at later, and in the end no more.
    row = row_of(unknown)
    assert (row.state, row.attempts) == ("unmatched", 1)
    assert row.next_attempt is not None
    pass_time(days=4)
    assert list(process_due_events()) == []
    row = row_of(unknown)
    assert (row.state, row.next_attempt) == ("ignored", None)
    assert "has appeared here for 3 days" in row.reason


def test_known_objects() -> None:
    make_payment(transaction_id="cs_1", intent_id="pi_1")
    assert known_objects(["", "cs_1", "pi_1", "pi_2"]) == {"cs_1", "pi_1"}
    assert known_objects(["", ""]) == set()


class Gate:
    """Holds a thread at a point until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def hold(self) -> None:
        self.reached.set()
        assert self.opened.wait(10)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one writer at a time")
@pytest.mark.parametrize("first", ["event", "id"])
def test_race(first: str, monkeypatch: Any, recorded_signals: SignalRecorder) -> None:
    """Two transactions that do not see each other: whichever commits last looks and finds the other's row."""
    payment = make_payment(status="confirmed", captured_amount=Decimal("10.00"))
    event = dispute("pi_7")
    stored, committed = Gate(), Gate()
    is_event_last = first == "id"

    def store_event() -> Any:
        return deliver(event)

    def store_id() -> None:
        with money_transaction():
            type(payment).objects.filter(pk=payment.pk).update(intent_id="pi_7")
            handle_arrivals("pi_7")
            if not is_event_last:
                committed.hold()

    if is_event_last:
        # The event's transaction has looked for the payment in vain and is open; then the id is committed.
        from django_stripe_gateway.webhooks.inbox import receive as inbox

        write = inbox.write

        def held_write(row: WebhookEvent) -> None:
            write(row)
            if not stored.reached.is_set():
                stored.hold()

        monkeypatch.setattr(inbox, "write", held_write)
        steps = [store_event, lambda: (stored.reached.wait(10), store_id(), stored.opened.set())]
    else:
        # The id's transaction is open; then the event is committed as unmatched, and has looked in vain.
        steps = [store_id, lambda: (committed.reached.wait(10), store_event(), committed.opened.set())]
    in_threads(steps, 2)
    assert (row_of(event).state, row_of(event).attempts) == ("processed", 2)
    payment.refresh_from_db()
    assert payment.fraud_status == "review"
    assert recorded_signals.names.count("payment_disputed") == 1
    assert PaymentLog.objects.filter(event="dispute").count() == 1


def test_race__is_found_by_each_side_alone(monkeypatch: Any) -> None:
    """The two looks are both needed: without the one that is last the event stays, and the sweeper ends it."""
    payment = make_payment(status="confirmed", captured_amount=Decimal("10.00"))
    event = dispute("pi_7")
    deliver(event)
    monkeypatch.setattr(arrivals, "_receivers", [])
    with money_transaction():
        type(payment).objects.filter(pk=payment.pk).update(intent_id="pi_7")
        handle_arrivals("pi_7")
    assert row_of(event).state == "unmatched"
    pass_time(minutes=2)
    assert [row.state for row in process_due_events()] == ["processed"]


def test_refund_made_here__is_matched_at_once(shop: Shop) -> None:
    payment = shop.paid()
    refund = refund_payment(payment=payment)
    assert WebhookEvent.objects.unmatched().count() == 0
    assert refund.status == "succeeded"


def test_old_event__is_found_by_the_sweeper_when_the_queue_loses_it(settings: Any) -> None:
    event = dispute("pi_7")
    deliver(event)
    days_ago = row_of(event).received - timedelta(days=4)
    WebhookEvent.objects.update(received=days_ago, next_attempt=None)
    settings.STRIPE_GATEWAY_WEBHOOK_PROCESSING = "task"
    settings.STRIPE_GATEWAY_WEBHOOK_ENQUEUE = "builtins.abs"
    with transaction.atomic():
        make_payment(intent_id="pi_7")
        handle_arrivals("pi_7")
    assert row_of(event).state == WebhookState.UNMATCHED
    WebhookEvent.objects.exclude(next_attempt=None).update(next_attempt=days_ago)
    list(process_due_events())
    assert row_of(event).state == WebhookState.PROCESSED
