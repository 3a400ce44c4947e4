"""``process_webhooks``: what is due, once, by whichever sweeper."""

from __future__ import annotations

import logging
import signal
import threading
from collections import Counter
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import OperationalError, connection
from django.utils import timezone

from django_stripe_gateway.management.commands import process_webhooks
from django_stripe_gateway.management.output import Progress
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox import sweep as sweeping
from django_stripe_gateway.webhooks.registry import handles
from tests.factories import make_event
from tests.test_webhooks.support import deliver, in_threads, pass_time, row_of
from tests.test_webhooks.test_arrivals import dispute
from tests.test_webhooks.test_retries import stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registry")]


def sweep(**options: Any) -> str:
    out = StringIO()
    call_command("process_webhooks", stdout=out, **options)
    return out.getvalue()


def test_once(caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    handles("shop.opened")(lambda event: None)
    for _number in range(3):
        stored(next_attempt=timezone.now())
    stored()
    deliver(dispute("pi_7"))
    assert " processed  3" in sweep().splitlines()
    assert "Webhook inbox: 1 received, 0 failed, 0 dead, 1 unmatched; the oldest waits for 0 s." in caplog.text
    # Nothing is due any more, and nothing is said.
    assert sweep() == ""


def test_dead__is_a_warning(caplog: Any) -> None:
    stored(state="dead")
    sweep()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_oldest_first_in_a_batch() -> None:
    seen: list[str] = []
    handles("shop.opened")(lambda event: seen.append(event.id))
    now = timezone.now()
    rows = [stored(next_attempt=now, occurred=now - timedelta(hours=hours)) for hours in (1, 3, 2)]
    sweep()
    assert seen == [rows[1].event_id, rows[2].event_id, rows[0].event_id]


def test_fails_at_once__ends(settings: Any) -> None:
    """A delay that is over before the sweep is: the next sweep tries again, not this one for ever."""
    settings.STRIPE_GATEWAY_WEBHOOK_RETRY_DELAY = 1e-6
    settings.STRIPE_GATEWAY_WEBHOOK_MAX_ATTEMPTS = 1000
    calls: list[str] = []

    @handles("shop.opened")
    def fail(event: Event) -> None:
        calls.append(event.id)
        raise ValueError("no")

    stored(next_attempt=timezone.now())
    assert [[row.state for row in sweeping.process_due_events()] for _sweep in range(2)] == [["failed"]] * 2
    assert len(calls) == 2


def test_batches(monkeypatch: Any) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 3)
    handles("shop.opened")(lambda event: None)
    for number in range(10):
        stored(next_attempt=timezone.now(), state="unmatched" if number < 4 else "received")
    assert len(list(sweeping.process_due_events())) == 6


def test_side_by_side() -> None:
    """Nobody does what another one does."""
    sweepers = 4
    calls: list[str] = []
    barrier = threading.Barrier(sweepers)

    @handles("shop.opened")
    def note(event: Event) -> None:
        calls.append(event.id)

    for _number in range(30):
        stored(next_attempt=timezone.now())

    def run() -> int:
        barrier.wait(10)
        return len(list(sweeping.process_due_events()))

    handled = in_threads([run] * sweepers, sweepers)
    assert sum(handled) == 30
    assert Counter(Counter(calls).values()) == {1: 30}
    assert set(WebhookEvent.objects.values_list("state", "attempts")) == {("processed", 1)}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no row locks to skip")
def test_side_by_side__does_not_wait() -> None:
    """What another sweeper has in hand is passed over."""
    held, go_on = threading.Event(), threading.Event()
    first, second = (stored(next_attempt=timezone.now()) for _number in range(2))

    @handles("shop.opened")
    def hold(event: Event) -> None:
        if event.id == first.event_id:
            held.set()
            assert go_on.wait(20)

    def other() -> list[int]:
        assert held.wait(20)
        try:
            return [row.pk for row in sweeping.process_due_events()]
        finally:
            go_on.set()

    one, two = in_threads([lambda: [row.pk for row in sweeping.process_due_events()], other], 2)
    assert (one, two) == ([first.pk], [second.pk])


@pytest.mark.parametrize("interval", [0, -1, float("inf")])
def test_bad_interval(interval: float) -> None:
    with pytest.raises(CommandError, match="--interval"):
        sweep(interval=interval)


def test_forever__goes_on_and_stops(monkeypatch: Any, caplog: Any) -> None:
    """A database that is restarted ends a sweep and not the sweeper; SIGTERM lets it finish what it has in hand."""
    command = process_webhooks.Command(stdout=StringIO())
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    runs: list[str] = []

    def due() -> Any:
        runs.append("sweep")
        if len(runs) == 1:
            raise OperationalError("the database system is starting up")
        for number in range(2):
            handlers[signal.SIGTERM](signal.SIGTERM, None)
            yield stored(event_id=f"evt_{number}", state="processed")

    monkeypatch.setattr(process_webhooks, "process_due_events", due)
    command.handle(forever=True, interval=0.01)
    assert runs == ["sweep", "sweep"]
    assert WebhookEvent.objects.count() == 1
    assert "The sweep has ended early: OperationalError." in caplog.text


class Terminal(StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_progress() -> None:
    terminal, pipe = Terminal(), StringIO()
    for stream in (terminal, pipe):
        progress = Progress(OutputWrapper(stream), "handled")
        progress.add()
        progress.add(2)
        progress.end()
    assert terminal.getvalue() == "\rhandled 1\rhandled 3\n"
    assert pipe.getvalue() == ""


def test_failed_delivery__is_swept(caplog: Any) -> None:
    """The whole way: a delivery fails, the sweeper succeeds, the provider's next delivery has no effect."""
    calls: list[str] = []

    @handles("shop.opened")
    def fail_once(event: Event) -> None:
        calls.append(event.id)
        if len(calls) == 1:
            raise ValueError("no")

    event = make_event("shop.opened", {"id": "x"})
    assert deliver(event).status_code == 500
    pass_time(seconds=40)
    sweep()
    assert (row_of(event).state, row_of(event).attempts) == ("processed", 2)
    assert deliver(event).status_code == 200
    assert len(calls) == 2
