"""Events that workers handle: one insert and one enqueue, whatever becomes of the queue."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import override_settings

from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.process import process_event
from django_stripe_gateway.webhooks.inbox.sweep import process_due_events
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SignalRecorder
from tests.factories import intent_object, make_event, make_payment, session_object
from tests.test_webhooks.support import deliver, pass_time, row_of
from tests.test_webhooks.test_arrivals import dispute
from tests.test_webhooks.test_cost import counted

DBTaskResult: Any = pytest.importorskip("django_tasks_db.models").DBTaskResult

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("task_mode")]

enqueued: list[int] = []


def enqueue(event_pk: int) -> None:
    """Stand for a host's own queue."""
    assert not connection.in_atomic_block
    enqueued.append(event_pk)


def lose(event_pk: int) -> None:
    """Stand for a broker that is down."""
    raise ConnectionError("Error 111 connecting to 10.0.0.5:6379 with password hunter2")


@pytest.fixture
def task_mode(settings: Any) -> None:
    """Leave events to Django Tasks on the database."""
    settings.STRIPE_GATEWAY_WEBHOOK_PROCESSING = "task"
    enqueued.clear()


def paid() -> tuple[Any, dict[str, Any]]:
    """Return a payment and the event that confirms it."""
    payment = make_payment()
    return payment, make_event("checkout.session.completed", session_object(payment))


def test_one_insert_and_one_enqueue(recorded_signals: SignalRecorder) -> None:
    payment, event = paid()
    with counted() as cost:
        assert deliver(event).json() == {"received": True, "state": "received"}
    assert cost.statements == ["INSERT", "INSERT"]
    assert recorded_signals.names == ["webhook_received"]
    payment.refresh_from_db()
    assert payment.status == "waiting"
    row, task = row_of(event), DBTaskResult.objects.get()
    assert (row.state, row.attempts, row.leased_until) == ("received", 0, None)
    assert task.args_kwargs == {"args": [row.pk], "kwargs": {}}
    assert task.queue_name == "default"
    assert task.task.call(row.pk) == "processed"
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]
    assert (row_of(event).state, row_of(event).attempts, row_of(event).next_attempt) == ("processed", 1, None)


@override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.enqueue", STRIPE_GATEWAY_WEBHOOK_QUEUE="webhooks")
def test_hosts_own_queue() -> None:
    _payment, event = paid()
    with counted() as cost:
        deliver(event)
    assert cost.statements == ["INSERT"]
    assert enqueued == [row_of(event).pk]


@override_settings(STRIPE_GATEWAY_WEBHOOK_QUEUE="webhooks")
def test_queue_name() -> None:
    deliver(paid()[1])
    assert DBTaskResult.objects.get().queue_name == "webhooks"


def test_duplicates() -> None:
    """Acknowledged without another task, while the event waits and after it was handled."""
    _payment, event = paid()
    with override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.enqueue"):
        deliver(event)
        with counted() as cost:
            assert deliver(event).json()["state"] == "received"
        assert cost.statements == ["INSERT", "SELECT"]
        process_event(row_of(event).pk)
        assert deliver(event).json()["state"] == "processed"
    assert len(enqueued) == 1
    assert row_of(event).attempts == 1


@pytest.mark.usefixtures("registry")
@override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.enqueue")
def test_failed__is_acknowledged_and_handed_over_again() -> None:
    """Who resends an event from the Dashboard, having put it right, need not wait for the sweeper."""
    calls: list[str] = []

    @handles("shop.opened")
    def fail_once(event: Event) -> None:
        calls.append(event.id)
        if len(calls) == 1:
            raise ValueError("no")

    event = make_event("shop.opened", {"id": "x"})
    assert deliver(event).status_code == 200
    assert process_event(enqueued[0]) == "failed"
    assert deliver(event).json() == {"received": True, "state": "failed"}
    assert process_event(enqueued[1]) == "processed"
    assert [row_of(event).attempts, len(calls)] == [2, 2]


@override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.lose")
def test_broker_down(caplog: Any) -> None:
    """Committed, acknowledged, and due for the sweeper at once."""
    payment, event = paid()
    assert deliver(event).json() == {"received": True, "state": "received"}
    assert f"event {row_of(event).pk} could not be enqueued (ConnectionError)" in caplog.text
    assert "hunter2" not in caplog.text
    assert [row.state for row in process_due_events()] == ["processed"]
    payment.refresh_from_db()
    assert payment.status == "confirmed"


@pytest.mark.parametrize("path", ["no.such.function", "", "django_stripe_gateway.conf.DAY"])
def test_no_queue_at_all(path: str, settings: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_ENQUEUE = path
    _payment, event = paid()
    assert deliver(event).status_code == 200
    assert [row.event_id for row in process_due_events()] == [event["id"]]


@override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.lose")
def test_broker_and_database_down(monkeypatch: Any) -> None:
    """Nothing can be noted any more; the event is due when its lease ends."""
    _payment, event = paid()

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr("django_stripe_gateway.webhooks.inbox.queue.stored_events", refuse)
        assert deliver(event).status_code == 200
    assert list(process_due_events()) == []
    pass_time(seconds=301)
    assert [row.state for row in process_due_events()] == ["processed"]


@override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.enqueue")
def test_killed_between_commit_and_enqueue() -> None:
    _payment, event = paid()
    deliver(event)
    assert list(process_due_events()) == []
    pass_time(seconds=301)
    assert [row.state for row in process_due_events()] == ["processed"]
    # The task comes after all.
    assert process_event(enqueued[0]) == ""


@override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE=f"{__name__}.enqueue")
def test_arrivals_are_handed_over() -> None:
    payment = make_payment()
    early = dispute("pi_7")
    deliver(early)
    assert process_event(enqueued.pop()) == "unmatched"
    deliver(make_event("payment_intent.succeeded", intent_object(payment, id="pi_7")))
    assert process_event(enqueued.pop()) == "processed"
    assert enqueued == [row_of(early).pk]
    assert process_event(enqueued.pop()) == "processed"


def test_atomic_requests() -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        _payment, event = paid()
        assert deliver(event).json()["state"] == "received"
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert WebhookEvent.objects.count() == DBTaskResult.objects.count() == 1
