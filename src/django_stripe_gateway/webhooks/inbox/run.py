"""Run the handlers of an event, and write what became of it in the transaction that holds their effect."""

from __future__ import annotations

import dataclasses
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import DatabaseError, connections
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.models.webhook_events import REASON_LENGTH, WebhookEventQuerySet
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.moments import happened_at
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.webhooks.events import Event, related_id
from django_stripe_gateway.webhooks.inbox.dispatch import Dispatch, dispatch, look_up, note_unhandled
from django_stripe_gateway.webhooks.registry import FetchNeeded, Handler

T = TypeVar("T")

logger = logging.getLogger(__name__)

ERROR_LENGTH = 2000
# A handler asks again when somebody has changed its row while it asked.
MAX_FETCHES = 5
# Seconds at most before it asks for the second time; twice as long for each further one.
FETCH_JITTER = 0.01
# The gravest of what several handlers say becomes the event's state.
GRAVITY = (WebhookState.IGNORED, WebhookState.PROCESSED, WebhookState.UNMATCHED, WebhookState.MISMATCHED)
# How long it is looked whether the object of an unmatched event has appeared, at first after a minute.
FIRST_LOOK = timedelta(minutes=1)
LAST_LOOK = timedelta(days=3)
NEVER_APPEARED = f"nothing that it could be about has appeared here for {LAST_LOOK.days} days"
WRITTEN = ("state", "attempts", "error", "reason", "processed", "next_attempt", "leased_until", "related_id")

Fetched = Mapping[Handler, Any]


def stored_events() -> WebhookEventQuerySet:
    """Return the events of the database that payments are written to."""
    return WebhookEvent.objects.using(payments_database())


def uses_workers() -> bool:
    """Return whether events are handled by workers, and not where they are received."""
    return gateway_settings.webhook_processing == "task"


def with_fetches(event_type: str, run: Callable[[Fetched], T]) -> T:
    """Run the handlers, again after each time that one of them needed something from the provider."""
    fetched: dict[Handler, Any] = {}
    asked: Counter[Handler] = Counter()
    while True:
        try:
            return run(fetched)
        except FetchNeeded as needed:
            if needed.handler is None or asked[needed.handler] >= MAX_FETCHES:
                raise RuntimeError(f"A handler of {event_type} keeps asking the provider.") from None
            if asked[needed.handler]:
                # Somebody was faster while it asked. Without jitter the same ones would meet again.
                time.sleep(random.uniform(0, FETCH_JITTER) * 2 ** asked[needed.handler])  # noqa: S311
            asked[needed.handler] += 1
            found = needed.fetch()
            if found is not None:
                fetched[needed.handler] = found


def run_handlers(event: Event, fetched: Fetched, handlers: Dispatch | None = None) -> WebhookState:
    """Run the handlers inside of the open transaction, and return what became of the event.

    Why that is stands in ``event.reasons`` then.

    Args:
        handlers: the event's, where they are known already.
    """
    if handlers is None:
        handlers = dispatch(event)
    gravest = WebhookState.IGNORED
    event.reasons.clear()
    if not handlers:
        note_unhandled(event)
    for handler, asked in handlers.calls(fetched):
        try:
            with happened_at(event.created):
                state = handler(asked)
        except FetchNeeded as needed:
            needed.handler = handler
            raise
        if state is None:
            state = WebhookState.PROCESSED
        elif state not in GRAVITY:
            raise TypeError(f"{handler!r} returned {state!r}; return None or one of {', '.join(GRAVITY)}.")
        gravest = max(gravest, state, key=GRAVITY.index)
    # A handler that caught a database's error has left nothing that could be committed.
    connections[payments_database()].validate_no_broken_transaction()
    return gravest


def reason_of(event: Event, state: WebhookState) -> str:
    """Return why an event has ended in a state, as its handlers have said."""
    return "" if state == WebhookState.PROCESSED else "; ".join(dict.fromkeys(event.reasons))[:REASON_LENGTH]


def settle(row: WebhookEvent, state: WebhookState, event: Event | None = None) -> None:
    """Set on ``row`` what its handlers have said; the caller writes it.

    Args:
        event: whose handlers have run, and may have said why.
    """
    row.state = state
    row.error = row.reason = ""
    if event is not None:
        row.reason = reason_of(event, state)
    row.processed = timezone.now()
    row.leased_until = None
    row.next_attempt = next_look(row.received) if state == WebhookState.UNMATCHED else None
    if state == WebhookState.UNMATCHED and row.next_attempt is None:
        give_up_looking(row)


def note_related(row: WebhookEvent, event: Event, fetched: Fetched) -> None:
    """Set on ``row`` what the object of a thin event belongs to, once it was asked for; the caller writes it.

    By that it is found again when it has to wait. A whole one's was set when it came.
    """
    found = fetched.get(look_up)
    if found is not None and not row.related_id:
        row.related_id = related_id(dataclasses.replace(event, object=found.object))


def give_up_looking(row: WebhookEvent) -> None:
    """Set on ``row`` that what it is about has not appeared, and will not; the caller writes it."""
    row.state, row.reason, row.next_attempt = WebhookState.IGNORED, NEVER_APPEARED, None


def fail(row: WebhookEvent, error: Exception) -> None:
    """Set on ``row`` that an attempt has failed, and when to try again if ever; the caller writes it."""
    is_last = is_last_attempt(row)
    row.state = WebhookState.DEAD if is_last else WebhookState.FAILED
    text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
    row.error = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    row.leased_until = None
    row.next_attempt = None if is_last else retry_time(row.attempts)


def write(row: WebhookEvent) -> None:
    """Write what ``settle`` and ``fail`` have set."""
    row.save(using=payments_database(), update_fields=WRITTEN)


def announce(row: WebhookEvent) -> None:
    """Notify receivers, after commit, how an attempt at handling ``row`` has ended."""
    if row.state in (WebhookState.FAILED, WebhookState.DEAD):
        send_on_commit(signals.webhook_failed, WebhookEvent, event=row, error=row.error)
    elif row.state == WebhookState.PROCESSED:
        send_on_commit(signals.webhook_processed, WebhookEvent, event=row)


def log_failure(event_id: str, event_type: str, error: Exception) -> None:
    """Log that an attempt has failed; a database quotes the row that it refuses, which stays on the stored event."""
    exc_info = None if isinstance(error, DatabaseError) else error
    name = type(error).__name__
    logger.error("The event %s (%s) could not be handled: %s.", event_id, event_type, name, exc_info=exc_info)


@retry_on_deadlock
def handle_locked(rows: WebhookEventQuerySet, event: Event, fetched: Fetched, *, attempts: int) -> WebhookEvent | None:
    """Handle a stored event under its lock, unless it is settled, and return it as it is afterwards.

    Args:
        rows: the event's own row.
        attempts: how many to count; none where the attempt was counted before.
    """
    with money_transaction():
        row = rows.select_for_update().first()
        # A worker whose lease ran out may have been slow and not dead.
        if row is not None and not row.is_settled:
            row.attempts += attempts
            note_related(row, event, fetched)
            settle(row, run_handlers(event, fetched), event)
            write(row)
            announce(row)
    return row


@retry_on_deadlock
def note_failure(rows: WebhookEventQuerySet, error: Exception, *, attempts: int) -> WebhookEvent | None:
    """Write that an attempt at a stored event has failed, unless it is settled; see ``handle_locked``."""
    with money_transaction():
        row = rows.select_for_update().first()
        if row is not None and not row.is_settled:
            row.attempts += attempts
            fail(row, error)
            write(row)
            announce(row)
    return row


def is_last_attempt(row: WebhookEvent) -> bool:
    """Return whether an event that fails now is given up."""
    return row.attempts >= gateway_settings.webhook_max_attempts


def retry_time(attempts: int) -> datetime:
    """Return when to try again after so many attempts: each time twice as late, up to the longest delay."""
    # Two to the power of more than this is longer than any delay.
    exponent = min(attempts - 1, 40)
    delay = min(gateway_settings.webhook_retry_delay * 2**exponent, gateway_settings.webhook_retry_max_delay)
    # Events that failed together, because a database was down, shall not come back together.
    jitter = delay * gateway_settings.webhook_retry_jitter * random.random()  # noqa: S311
    return timezone.now() + timedelta(seconds=delay + jitter)


def lease_end() -> datetime:
    """Return until when a worker that takes an event now is left alone with it."""
    return timezone.now() + timedelta(seconds=gateway_settings.webhook_lease)


def next_look(received: datetime) -> datetime | None:
    """Return when to look again for the object of an unmatched event: each time at twice its age, then never."""
    now = timezone.now()
    age = now - received
    return now + max(FIRST_LOOK, age) if age < LAST_LOOK else None
