"""Workers are killed in the middle of handlers: nothing is lost, and nothing happens twice."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.models import PaymentLog, WebhookEvent
from tests.factories import make_event, make_payment, session_object
from tests.test_workers.conftest import SWEEPER, Crew

pytestmark = [
    pytest.mark.slow,
    pytest.mark.database,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="one lock for all: whoever is held holds everybody"),
]

PAYMENTS = 12
is_postgres = connection.vendor == "postgresql"
with_redis = [pytest.mark.redis, pytest.mark.skipif(not is_postgres, reason="once, on PostgreSQL, is enough")]
QUEUES = ["db", pytest.param("rq", marks=with_redis), pytest.param("celery", marks=with_redis)]


def paid_sessions(count: int = PAYMENTS) -> list[dict[str, Any]]:
    """Return the events of so many payments, with one that comes twice."""
    events = [make_event("checkout.session.completed", session_object(make_payment())) for _number in range(count)]
    return [*events, events[0]]


def states() -> Counter[str]:
    return Counter(WebhookEvent.objects.values_list("state", flat=True))


def is_done() -> bool:
    return states() == {"processed": PAYMENTS}


def assert_each_once() -> None:
    """Assert that every event has had its effect, ours and the host's, exactly once."""
    assert Counter(get_payment_model().objects.values_list("status", flat=True)) == {"confirmed": PAYMENTS}
    assert Counter(PaymentLog.objects.values_list("event", "message")) == {
        ("status_changed", "waiting -> confirmed"): PAYMENTS,
        ("updated", "booked"): PAYMENTS,
    }


@pytest.mark.parametrize("crew", QUEUES, indirect=True)
def test_killed_workers(crew: Crew) -> None:
    assert set(crew.deliver(paid_sessions())) == {"received"}
    crew.hold()
    crew.start_workers(2)
    crew.wait_for("two handlers to be held", lambda: len(crew.held()) == 2)
    crew.kill_all()
    crew.release()
    # What the killed ones did is undone, but that they tried is not.
    assert states() == {"received": PAYMENTS}
    assert sorted(WebhookEvent.objects.values_list("attempts", flat=True))[-3:] == [0, 1, 1]
    crew.start_workers(2)
    crew.start(SWEEPER)
    crew.wait_for("the events to be handled", is_done)
    assert_each_once()
    assert Counter(WebhookEvent.objects.values_list("attempts", flat=True)) == {1: PAYMENTS - 2, 2: 2}


def test_killed_sweepers(crew: Crew) -> None:
    """The queue is lost; two sweepers share the events, are killed, and two others end it."""
    crew.deliver(paid_sessions())
    make_due()
    crew.hold()
    for _number in range(2):
        crew.start(SWEEPER)
    crew.wait_for("two handlers to be held", lambda: len(crew.held()) == 2)
    crew.kill_all()
    crew.release()
    for _number in range(2):
        crew.start(SWEEPER)
    crew.wait_for("the events to be handled", is_done)
    assert_each_once()
    assert Counter(WebhookEvent.objects.values_list("attempts", flat=True)) == {1: PAYMENTS - 2, 2: 2}


def make_due() -> None:
    WebhookEvent.objects.update(next_attempt=timezone.now() - timedelta(seconds=1))


@pytest.mark.skipif(not is_postgres, reason="its connections are cut with PostgreSQL's own function")
def test_database_restarts(crew: Crew) -> None:
    """The sweeper goes on with new connections."""
    sweeper = crew.start(SWEEPER)
    crew.wait_for("a sweep", lambda: "Webhook inbox: 0 received" in crew.logs())
    # Before: the sweeper is at work already, and events are due half a second after they came.
    crew.hold()
    crew.deliver(paid_sessions())
    make_due()
    crew.wait_for("a handler to be held", crew.held)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    crew.release()
    crew.wait_for("the events to be handled", is_done)
    assert_each_once()
    assert sweeper.poll() is None
    sweeper.terminate()
    assert sweeper.wait(10) == 0
