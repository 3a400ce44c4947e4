"""Store an event once, and handle it in the same transaction.

An event and its effect are committed together, and only then acknowledged: a process killed at any point leaves
either both or neither, and the provider delivers again. A duplicate meets the unique constraint, waits there for a
delivery that is under way, and ends with that row's state.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import DatabaseError, IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.journal import send_on_commit
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import FetchNeeded, Handler, handlers_for

logger = logging.getLogger(__name__)

ERROR_LENGTH = 2000
# The gravest of what several handlers say becomes the event's state.
GRAVITY = (WebhookState.IGNORED, WebhookState.PROCESSED, WebhookState.UNMATCHED, WebhookState.MISMATCHED)

Fetched = Mapping[Handler, Any]


class AlreadyStored(Exception):
    """The event has been delivered before."""


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """An event with what is kept of the request that brought it."""

    event: Event
    body: str = dataclasses.field(repr=False)
    headers: Mapping[str, str]

    def new_row(self) -> WebhookEvent:
        """Return a row for it, not stored yet."""
        event = self.event
        return WebhookEvent(
            provider=event.provider,
            account=event.account,
            event_id=event.id,
            type=event.type,
            object_id=clean_id(event.object.get("id")),
            api_version=event.api_version,
            livemode=event.livemode,
            occurred=event.created,
            headers=dict(self.headers),
            body=self.body,
        )


def receive_event(event: Event, body: str, headers: Mapping[str, str]) -> WebhookEvent:
    """Store and handle a verified event; a duplicate of a settled one has no effect.

    Raises:
        Exception: whatever a handler raised; the event is kept as failed, and its next delivery is handled again.
    """
    delivery = Delivery(event, body, headers)
    try:
        return _with_fetches(event, lambda fetched: _store_and_handle(delivery, fetched))
    except AlreadyStored:
        return handle_again(event)
    except Exception as error:
        _log_failure(event, error)
        _keep_failed(delivery, error)
        raise


def handle_again(event: Event) -> WebhookEvent:
    """Handle a stored event unless it is settled; see ``receive_event`` for what is raised."""
    try:
        return _with_fetches(event, lambda fetched: _handle_stored(event, fetched))
    except Exception as error:
        _log_failure(event, error)
        _note_failure(event, error)
        raise


def _with_fetches(event: Event, run: Callable[[Fetched], WebhookEvent]) -> WebhookEvent:
    """Run the handlers, again after each time that one of them needed something from the provider."""
    fetched: dict[Handler, Any] = {}
    while True:
        try:
            return run(fetched)
        except FetchNeeded as needed:
            if needed.handler is None or needed.handler in fetched:
                raise RuntimeError(f"A handler of {event.type} keeps asking the provider.") from None
            fetched[needed.handler] = needed.fetch()


@retry_on_deadlock
def _store_and_handle(delivery: Delivery, fetched: Fetched) -> WebhookEvent:
    with money_transaction():
        row = delivery.new_row()
        try:
            row.save(using=payments_database(), force_insert=True)
        except IntegrityError as error:
            raise AlreadyStored from error
        send_on_commit(signals.webhook_received, WebhookEvent, event=row)
        _settle(row, delivery.event, fetched)
    return row


@retry_on_deadlock
def _handle_stored(event: Event, fetched: Fetched) -> WebhookEvent:
    with money_transaction():
        row = _rows(event).get()
        if row.is_settled:
            return row
        row = _rows(event).select_for_update().get()
        if not row.is_settled:
            _settle(row, event, fetched)
    return row


def _settle(row: WebhookEvent, event: Event, fetched: Fetched) -> None:
    """Run the handlers and write what became of the event."""
    states = [_run(handler, event, fetched) for handler in handlers_for(event.type)]
    row.state = max(states, key=GRAVITY.index, default=WebhookState.IGNORED)
    row.attempts += 1
    row.error = ""
    row.processed = timezone.now()
    row.save(using=payments_database(), update_fields=["state", "attempts", "error", "processed"])


def _run(handler: Handler, event: Event, fetched: Fetched) -> WebhookState:
    if handler in fetched:
        event = dataclasses.replace(event, fetched=fetched[handler])
    try:
        state = handler(event)
    except FetchNeeded as needed:
        needed.handler = handler
        raise
    if state is None:
        return WebhookState.PROCESSED
    if state not in GRAVITY:
        raise TypeError(f"{handler!r} returned {state!r}; return None or one of {', '.join(GRAVITY)}.")
    return state


@retry_on_deadlock
def _keep_failed(delivery: Delivery, error: Exception) -> None:
    """Store the event after its transaction was undone, so that its failure can be seen and repeated."""
    row = delivery.new_row()
    row.state = WebhookState.FAILED
    row.attempts = 1
    row.error = _describe(error)
    try:
        with money_transaction():
            row.save(using=payments_database(), force_insert=True)
            send_on_commit(signals.webhook_received, WebhookEvent, event=row)
    except IntegrityError:
        # Another delivery of it has been stored meanwhile, with its own result.
        logger.info("The event %s was stored by another delivery.", row.event_id)


@retry_on_deadlock
def _note_failure(event: Event, error: Exception) -> None:
    with money_transaction():
        row = _rows(event).select_for_update().first()
        if row is None or row.is_settled:
            return
        row.state = WebhookState.FAILED
        row.attempts += 1
        row.error = _describe(error)
        row.save(using=payments_database(), update_fields=["state", "attempts", "error"])


def _rows(event: Event) -> QuerySet[WebhookEvent]:
    rows = WebhookEvent.objects.using(payments_database())
    return rows.filter(provider=event.provider, account=event.account, event_id=event.id)


def _log_failure(event: Event, error: Exception) -> None:
    # A database quotes the row that it refuses, with whatever is in it: that stays on the stored event.
    exc_info = None if isinstance(error, DatabaseError) else error
    name = type(error).__name__
    logger.error("The event %s (%s) could not be handled: %s.", event.id, event.type, name, exc_info=exc_info)


def _describe(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
