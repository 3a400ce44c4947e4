"""``replay_webhooks`` and ``purge_webhook_events``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_stripe_gateway.models import PaymentLog, WebhookEvent
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.process import claim_event
from django_stripe_gateway.webhooks.inbox.replay import replay_event
from django_stripe_gateway.webhooks.registry import handles
from tests.factories import make_event, make_payment, session_object
from tests.test_webhooks.support import deliver, pass_time, row_of
from tests.test_webhooks.test_retries import stored
from tests.test_webhooks.test_sweeper import Terminal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registry")]


def counts(*arguments: str, command: str = "replay_webhooks") -> dict[str, int]:
    """Run a command, and return the table that it prints."""
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    lines = [line.rsplit(maxsplit=1) for line in out.getvalue().splitlines()[:-1]]
    return {name.strip(): int(count) for name, count in lines if int(count)}


@pytest.fixture
def seen() -> list[str]:
    """Register a handler for the shop's events, and return the ids that it sees."""
    ids: list[str] = []
    handles("shop.*")(lambda event: ids.append(event.id))
    return ids


def test_handled_again__changes_nothing() -> None:
    payment = make_payment()
    event = make_event("checkout.session.completed", session_object(payment))
    deliver(event)
    payment.refresh_from_db()
    before = type(payment).objects.values().get()
    assert counts(event["id"]) == {"processed": 1}
    assert type(payment).objects.values().get() == before
    assert PaymentLog.objects.count() == 1
    assert (row_of(event).attempts, row_of(event).state) == (1, "processed")


def test_dead__lives_again() -> None:
    failing = [True]

    @handles("shop.opened")
    def fail(event: Event) -> None:
        if failing:
            raise ValueError("no")

    row = stored(state="dead", attempts=15, error="ValueError: no")
    with pytest.raises(CommandError, match="Some of them failed"):
        counts("--state", "dead")
    row.refresh_from_db()
    # It has all of its attempts before it again.
    assert (row.state, row.attempts) == ("failed", 1)
    failing.clear()
    assert counts("--state", "failed") == {"processed": 1}


def test_selection(seen: list[str]) -> None:
    opened = stored(event_id="evt_1", state="dead")
    closed = stored(event_id="evt_2", type="shop.closed", state="failed")
    other = stored(event_id="evt_3", type="other", state="dead")
    old = stored(event_id="evt_4")
    WebhookEvent.objects.filter(pk=old.pk).update(received=datetime(2026, 1, 10, 12, tzinfo=UTC))
    for arguments, expected in {
        ("evt_1", "evt_2"): [opened, closed],
        ("--type", "shop.*"): [opened, closed, old],
        ("--type", "shop.closed", "--type", "other"): [closed, other],
        ("--state", "dead"): [opened, other],
        ("--state", "dead", "--type", "shop.*"): [opened],
        ("--until", "2026-01-11"): [old],
        ("--since", "2026-01-10", "--until", "2026-01-10T12:00:01"): [old],
        ("--since", "2026-01-10T13:00+00:00"): [opened, closed, other],
        ("--all",): [opened, closed, other, old],
    }.items():
        assert sum(counts(*arguments, "--dry-run").values()) == len(expected), arguments
    assert seen == []
    counts("--state", "failed")
    assert seen == [closed.event_id] or len(seen) == 1


def test_dry_run__shows_the_states_and_changes_nothing(seen: list[str]) -> None:
    stored(state="dead")
    before = list(WebhookEvent.objects.values())
    assert counts("--all", "--dry-run") == {"dead": 1}
    assert list(WebhookEvent.objects.values()) == before


def test_oldest_first(seen: list[str]) -> None:
    bodies = []
    for hours in (1, 3, 2):
        row = stored(occurred=timezone.now() - timedelta(hours=hours))
        bodies.append((hours, row.event_id))
    counts("--all")
    assert seen == [event_id for _hours, event_id in sorted(bodies, reverse=True)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say which events"),
        (("evt_0",), "There is no event evt_0"),
        (("--since", "yesterday"), "is no time"),
        (("--since", "2026-13-01"), "is no time"),
        (("--state", "lost"), "invalid choice"),
    ],
)
def test_bad_selection(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("replay_webhooks", *arguments)


def test_worker_is_handling_it(seen: list[str]) -> None:
    row = stored()
    claim_event(row.pk)
    assert counts("--all") == {"in progress": 1}
    assert seen == []
    assert replay_event(row.pk + 1) is None


def test_progress(seen: list[str]) -> None:
    for _number in range(2):
        stored()
    terminal = Terminal()
    call_command("replay_webhooks", "--all", stdout=terminal)
    assert "\rof 2 replayed: 1\rof 2 replayed: 2" in terminal.getvalue()


# Purging


@pytest.fixture
def events_of_each_state() -> None:
    for state in ("received", "processed", "ignored", "unmatched", "mismatched", "failed", "dead"):
        for age in (40, 91):
            row = stored(state=state)
            WebhookEvent.objects.filter(pk=row.pk).update(received=timezone.now() - timedelta(days=age))


OLD = {"processed": 1, "ignored": 1, "unmatched": 1, "mismatched": 1}


@pytest.mark.usefixtures("events_of_each_state")
def test_purge__settled_and_old() -> None:
    assert counts("--dry-run", command="purge_webhook_events") == OLD
    assert WebhookEvent.objects.count() == 14
    assert counts("--batch-size", "3", command="purge_webhook_events") == OLD
    assert WebhookEvent.objects.count() == 10
    assert counts("--include-dead", command="purge_webhook_events") == {"dead": 1}
    assert counts("--days", "31", command="purge_webhook_events") == OLD
    left = WebhookEvent.objects.values_list("state", flat=True)
    assert sorted(left) == ["dead", "failed", "failed", "received", "received"]
    assert counts(command="purge_webhook_events") == {}


@pytest.mark.usefixtures("events_of_each_state")
def test_purge__in_batches() -> None:
    with CaptureQueriesContext(connection) as captured:
        counts("--batch-size", "3", command="purge_webhook_events")
    words = [query["sql"].split()[0] for query in captured.captured_queries]
    # The last question is whether old e-mails are left.
    assert (words.count("SELECT"), words.count("DELETE")) == (4, 2)


@pytest.mark.parametrize(
    ("arguments", "message"), [(("--days", "30"), "at least 31 days"), (("--batch-size", "0"), "--batch-size")]
)
def test_purge__bad_options(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("purge_webhook_events", *arguments)


@pytest.mark.usefixtures("events_of_each_state")
def test_purge__replayed_meanwhile(monkeypatch: Any) -> None:
    """What is in work again by the time its batch is deleted stays."""
    from django_stripe_gateway.webhooks.inbox import purge as purging

    delete = purging._delete

    def replay_first(batch: dict[int, str], states: Any) -> None:
        WebhookEvent.objects.filter(pk__in=list(batch)).update(state="received")
        delete(batch, states)

    monkeypatch.setattr(purging, "_delete", replay_first)
    counts(command="purge_webhook_events")
    assert WebhookEvent.objects.count() == 14


def test_purged__comes_again() -> None:
    """Its effect is known by the payment: nothing happens twice."""
    event = make_event("checkout.session.completed", session_object(make_payment()))
    deliver(event)
    pass_time(days=100)
    counts(command="purge_webhook_events")
    assert WebhookEvent.objects.count() == 0
    deliver(event)
    assert PaymentLog.objects.count() == 1
