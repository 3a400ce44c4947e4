"""Failed events come back later and later, and are given up; an attempt counts before the handlers run."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.process import claim_event, process_event
from django_stripe_gateway.webhooks.inbox.run import next_look, retry_time
from django_stripe_gateway.webhooks.inbox.sweep import process_due_events
from django_stripe_gateway.webhooks.registry import FetchNeeded, handles
from tests.conftest import SignalRecorder
from tests.factories import make_event
from tests.test_webhooks.support import deliver, pass_time, row_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registry")]


class Killed(BaseException):
    """Stands for the end of the worker's process: nothing is caught, nothing is noted."""


def failing(event_type: str = "shop.opened", error: BaseException | None = None) -> list[str]:
    """Register a handler that always raises, and return the list of the ids it was called with."""
    calls: list[str] = []

    @handles(event_type)
    def handle(event: Event) -> None:
        calls.append(event.id)
        raise error or ValueError("no")

    return calls


def stored(**fields: Any) -> WebhookEvent:
    """Return a stored event that nobody has handled."""
    event = make_event("shop.opened", {"id": "x"})
    values = {"provider": "stripe", "variant": "stripe", "event_id": event["id"], "type": event["type"]} | fields
    return WebhookEvent.objects.create(body=json.dumps(event), **values)


def seconds_until(moment: Any) -> float:
    return float((moment - timezone.now()).total_seconds())


def test_retry_time__doubles_up_to_the_longest(settings: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_RETRY_JITTER = 0
    delays = [round(seconds_until(retry_time(attempts))) for attempts in range(1, 14)]
    assert delays[:5] == [30, 60, 120, 240, 480]
    assert delays[-1] == delays[-2] == 21600
    assert round(seconds_until(retry_time(1000))) == 21600


def test_retry_time__jitter(settings: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_RETRY_JITTER = 0.5
    delays = {seconds_until(retry_time(1)) for _time in range(50)}
    assert len(delays) > 40
    assert 29 < min(delays) < max(delays) < 46


def test_next_look__at_twice_the_age() -> None:
    now = timezone.now()
    looks = [next_look(now - timedelta(seconds=age)) for age in (0, 59, 600, 3 * 86400 + 1)]
    assert [look and round(seconds_until(look)) for look in looks] == [60, 60, 600, None]


def test_failed__comes_back_and_dies(settings: Any, recorded_signals: SignalRecorder) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_MAX_ATTEMPTS = 3
    calls = failing()
    event = make_event("shop.opened", {"id": "x"})
    assert deliver(event).status_code == 500
    assert list(process_due_events()) == []
    for attempts in (2, 3):
        pass_time(hours=7)
        (row,) = process_due_events()
        assert row.attempts == attempts
    row = row_of(event)
    assert (row.state, row.error, row.next_attempt, row.leased_until) == ("dead", "ValueError: no", None, None)
    assert len(calls) == 3
    pass_time(days=30)
    assert list(process_due_events()) == []
    # The provider's next delivery is acknowledged: nothing but a replay can help.
    assert deliver(event).json() == {"received": True, "state": "dead"}
    assert len(calls) == 3
    states = [values["event"].state for values in recorded_signals.values("webhook_failed")]
    assert states == ["failed", "failed", "dead"]


def test_failed__inline_dies_by_deliveries_alone(settings: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_MAX_ATTEMPTS = 2
    failing()
    event = make_event("shop.opened", {"id": "x"})
    assert [deliver(event).status_code for _time in range(3)] == [500, 500, 200]
    assert row_of(event).state == "dead"


def test_poison__counts_before_the_handlers_run(settings: Any, recorded_signals: SignalRecorder) -> None:
    """Each worker that takes it dies; the last one finds it dead."""
    settings.STRIPE_GATEWAY_WEBHOOK_MAX_ATTEMPTS = 3
    calls = failing(error=Killed())
    row = stored(next_attempt=timezone.now())
    for attempts in (1, 2, 3):
        with pytest.raises(Killed):
            process_event(row.pk)
        row.refresh_from_db()
        assert (row.state, row.attempts) == ("received", attempts)
        # Nobody takes it while its worker may be alive.
        assert list(process_due_events()) == []
        pass_time(minutes=6)
    assert [row.state for row in process_due_events()] == ["dead"]
    row.refresh_from_db()
    assert (row.state, row.attempts, len(calls)) == ("dead", 3, 3)
    assert "worker died" in row.error
    assert recorded_signals.names == ["webhook_failed"]


def test_poison__does_not_cost_others_their_attempts() -> None:
    rows = [stored(next_attempt=timezone.now()) for _number in range(3)]

    @handles("shop.opened")
    def handle(event: Event) -> None:
        if event.id == rows[0].event_id:
            raise Killed

    with pytest.raises(Killed):
        list(process_due_events())
    assert {row.pk: row.attempts for row in WebhookEvent.objects.all()} == {
        rows[0].pk: 1,
        rows[1].pk: 0,
        rows[2].pk: 0,
    }
    assert [row.pk for row in process_due_events()] == [rows[1].pk, rows[2].pk]


def test_lease__keeps_others_away_until_it_ends() -> None:
    row = stored()
    assert claim_event(row.pk) is not None
    assert claim_event(row.pk) is None
    assert process_event(row.pk) == ""
    pass_time(seconds=299)
    assert claim_event(row.pk) is None
    pass_time(seconds=2)
    claimed = claim_event(row.pk)
    assert claimed is not None
    assert claimed.attempts == 2


def test_lease__ran_out_while_its_worker_was_slow() -> None:
    """Both run, and the one that comes last changes nothing."""
    runs: list[Any] = []

    @handles("shop.opened")
    def handle(event: Event) -> None:
        runs.append(event.fetched)
        if event.fetched is None:
            raise FetchNeeded(fetch)

    def fetch() -> str:
        if len(runs) == 1:
            pass_time(minutes=6)
            assert process_event(row.pk) == "processed"
        return "answer"

    row = stored()
    assert process_event(row.pk) == "processed"
    assert runs == [None, None, "answer"]
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("processed", 2)


def test_late_failure__does_not_undo_success() -> None:
    @handles("shop.opened")
    def handle(event: Event) -> None:
        if event.fetched is None:
            raise FetchNeeded(fetch)

    calls: list[int] = []

    def fetch() -> str:
        calls.append(1)
        if len(calls) == 1:
            pass_time(minutes=6)
            process_event(row.pk)
            raise ValueError("too late")
        return "answer"

    row = stored()
    assert process_event(row.pk) == "processed"
    row.refresh_from_db()
    assert (row.state, row.error) == ("processed", "")


@pytest.mark.parametrize("state", [state for state in WebhookState.values if state not in ("received", "failed")])
def test_settled__is_not_claimed(state: str) -> None:
    row = stored(state=state)
    if state != "unmatched":
        assert process_event(row.pk) == ""
        assert process_event(row.pk + 1) == ""


def test_unreadable_row__fails() -> None:
    row = stored(next_attempt=timezone.now())
    WebhookEvent.objects.update(body="{")
    assert process_event(row.pk) == "failed"
    row.refresh_from_db()
    assert row.error.startswith("WebhookRejected")


def test_purged_meanwhile() -> None:
    @handles("shop.opened")
    def handle(event: Event) -> None:
        if event.fetched is None:
            raise FetchNeeded(lambda: WebhookEvent.objects.all().delete())

    assert process_event(stored().pk) == ""
