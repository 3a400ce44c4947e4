"""Store an event once, and handle it in the same transaction.

An event and its effect are committed together, and only then acknowledged: a process killed at any point leaves
either both or neither, and the provider delivers again. A duplicate meets the unique constraint, waits there for a
delivery that is under way, and ends with that row's state.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.journal import send_on_commit
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import FetchNeeded, handlers_for

logger = logging.getLogger(__name__)

ERROR_LENGTH = 2000
MAX_FETCHES = 2
# The gravest of what several handlers say becomes the event's state.
GRAVITY = (WebhookState.IGNORED, WebhookState.PROCESSED, WebhookState.UNMATCHED, WebhookState.MISMATCHED)


class AlreadyStored(Exception):
    """The event has been delivered before."""


def receive_event(event: Event, body: str, headers: Mapping[str, str]) -> WebhookEvent:
    """Store and handle a verified event; a duplicate of a settled one has no effect.

    Raises:
        Exception: whatever a handler raised; the event is kept as failed, and its next delivery is handled again.
    """
    row = WebhookEvent(
        provider=event.provider,
        account=event.account,
        event_id=event.id,
        type=event.type,
        object_id=str(event.object.get("id") or "")[:255],
        api_version=event.api_version,
        livemode=event.livemode,
        occurred=event.created,
        headers=dict(headers),
        body=body,
    )
    try:
        return _with_fetches(event, lambda current: _store_and_handle(row, current))
    except AlreadyStored:
        return handle_again(event)
    except Exception as error:
        _keep_failed(row, error)
        raise


def handle_again(event: Event) -> WebhookEvent:
    """Handle a stored event unless it is settled; see ``receive_event`` for what is raised."""
    try:
        return _with_fetches(event, _handle_stored)
    except Exception as error:
        _note_failure(event, error)
        raise


def _with_fetches(event: Event, run: Any) -> WebhookEvent:
    for _fetch in range(MAX_FETCHES):
        try:
            row: WebhookEvent = run(event)
        except FetchNeeded as needed:
            event = dataclasses.replace(event, fetched=needed.fetch())
        else:
            return row
    raise RuntimeError(f"The handlers of {event.type} keep asking the provider.")


@retry_on_deadlock
def _store_and_handle(row: WebhookEvent, event: Event) -> WebhookEvent:
    with money_transaction():
        row.pk = None
        try:
            row.save(using=payments_database(), force_insert=True)
        except IntegrityError as error:
            raise AlreadyStored from error
        send_on_commit(signals.webhook_received, WebhookEvent, event=row)
        _settle(row, event)
    return row


@retry_on_deadlock
def _handle_stored(event: Event) -> WebhookEvent:
    with money_transaction():
        row = _row(event, lock=False)
        if row.is_settled:
            return row
        row = _row(event, lock=True)
        if not row.is_settled:
            _settle(row, event)
    return row


def _settle(row: WebhookEvent, event: Event) -> None:
    """Run the handlers and write what became of the event."""
    handlers = handlers_for(event.type)
    states = [handler(event) or WebhookState.PROCESSED for handler in handlers]
    row.state = max(states, key=GRAVITY.index, default=WebhookState.IGNORED)
    row.attempts += 1
    row.error = ""
    row.processed = timezone.now()
    row.save(using=payments_database(), update_fields=["state", "attempts", "error", "processed"])


def _keep_failed(row: WebhookEvent, error: Exception) -> None:
    """Store the event after its transaction was undone, so that its failure can be seen and repeated."""
    logger.exception("The event %s (%s) could not be handled.", row.event_id, row.type)
    row.pk = None
    row.state = WebhookState.FAILED
    row.attempts = 1
    row.error = _describe(error)
    row.processed = None
    try:
        with transaction.atomic(using=payments_database()):
            row.save(using=payments_database(), force_insert=True)
            send_on_commit(signals.webhook_received, WebhookEvent, event=row)
    except IntegrityError:
        # Another delivery of it has been stored meanwhile, with its own result.
        logger.info("The event %s was stored by another delivery.", row.event_id)


def _note_failure(event: Event, error: Exception) -> None:
    logger.exception("The event %s (%s) could not be handled.", event.id, event.type)
    with money_transaction():
        row = _row(event, lock=True)
        if row.is_settled:
            return
        row.state = WebhookState.FAILED
        row.attempts += 1
        row.error = _describe(error)
        row.save(using=payments_database(), update_fields=["state", "attempts", "error"])


def _row(event: Event, *, lock: bool) -> WebhookEvent:
    rows = WebhookEvent.objects.using(payments_database())
    if lock:
        rows = rows.select_for_update()
    return rows.get(provider=event.provider, account=event.account, event_id=event.id)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
