"""Store an event once, and handle it in the same transaction or hand it to a worker.

Inline, an event and its effect are committed together, and only then acknowledged: a process killed at any point leaves
either both or neither, and the provider delivers again. With workers the event alone is committed and acknowledged. A
duplicate meets the unique constraint, waits there for a delivery that is under way, and ends with that row's state.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

from django.db import IntegrityError

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.models.storable import escaped_json
from django_stripe_gateway.models.webhook_events import WebhookEventQuerySet
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.webhooks.events import Event, clean_id, related_id
from django_stripe_gateway.webhooks.inbox.dispatch import dispatch, why_nobody
from django_stripe_gateway.webhooks.inbox.process import look_again
from django_stripe_gateway.webhooks.inbox.queue import hand_over
from django_stripe_gateway.webhooks.inbox.run import (
    Fetched,
    announce,
    fail,
    handle_locked,
    lease_end,
    log_failure,
    note_failure,
    note_related,
    reason_of,
    run_handlers,
    settle,
    stored_events,
    uses_workers,
    with_fetches,
    write,
)
from django_stripe_gateway.webhooks.inbox.secrets import without_secrets

logger = logging.getLogger(__name__)


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
            variant=event.variant,
            account_id=event.account_id,
            event_id=event.id,
            type=event.type,
            object_id=clean_id(event.object.get("id")),
            related_id=related_id(event),
            api_version=event.api_version,
            livemode=event.livemode,
            occurred=event.created,
            headers=dict(self.headers),
            body=escaped_json(without_secrets(self.body)),
        )


def receive_event(event: Event, body: str, headers: Mapping[str, str]) -> WebhookEvent:
    """Store a verified event, and handle it or hand it to a worker; a duplicate of a settled one has no effect.

    Raises:
        Exception: whatever a handler raised; the event is kept as failed, and its next delivery is handled again. Never
            once the event is stored for a worker.
    """
    delivery = Delivery(event, body, headers)
    if uses_workers():
        return _receive_for_workers(delivery)
    try:
        row = with_fetches(event.type, lambda fetched: _store_and_handle(delivery, fetched))
    except AlreadyStored:
        row = handle_again(event)
    except Exception as error:
        log_failure(event.id, event.type, error)
        _keep_failed(delivery, error)
        raise
    return look_again(row) if row.state == WebhookState.UNMATCHED else row


def handle_again(event: Event) -> WebhookEvent:
    """Handle a stored event unless it is settled; see ``receive_event`` for what is raised."""
    rows = _rows(event)
    try:
        row = rows.get()
        if row.is_settled:
            return row
        return with_fetches(event.type, lambda fetched: handle_locked(rows, event, fetched, attempts=1)) or row
    except Exception as error:
        log_failure(event.id, event.type, error)
        note_failure(rows, error, attempts=1)
        raise


def _receive_for_workers(delivery: Delivery) -> WebhookEvent:
    try:
        row = _store(delivery)
    except AlreadyStored:
        row = _rows(delivery.event).get()
        if row.state != WebhookState.FAILED:
            # Settled, or on its way: its first delivery was handed over, and the sweeper knows of it.
            return row
    hand_over(row.pk)
    return row


@retry_on_deadlock
def _store(delivery: Delivery) -> WebhookEvent:
    row = delivery.new_row()
    # Should no worker get it, because this process dies or the queue is lost, the sweeper does.
    row.next_attempt = lease_end()
    with money_transaction():
        _insert(row)
    return row


@retry_on_deadlock
def _store_and_handle(delivery: Delivery, fetched: Fetched) -> WebhookEvent:
    row, event = delivery.new_row(), delivery.event
    # Nobody sees the row before its handlers have run, so that it can be stored with their result in one statement.
    handlers = dispatch(event)
    expected = WebhookState.PROCESSED if handlers else WebhookState.IGNORED
    note_related(row, event, fetched)
    row.attempts = 1
    settle(row, expected)
    row.reason = "" if handlers else why_nobody(event)
    with money_transaction():
        _insert(row)
        state = run_handlers(event, fetched, handlers)
        if (state, reason_of(event, state)) != (expected, row.reason):
            settle(row, state, event)
            write(row)
        announce(row)
    return row


def _insert(row: WebhookEvent) -> None:
    try:
        row.save(using=payments_database(), force_insert=True)
    except IntegrityError as error:
        raise AlreadyStored from error
    send_on_commit(signals.webhook_received, WebhookEvent, event=row)


@retry_on_deadlock
def _keep_failed(delivery: Delivery, error: Exception) -> None:
    """Store the event after its transaction was undone, so that its failure can be seen and repeated."""
    row = delivery.new_row()
    row.attempts = 1
    fail(row, error)
    try:
        with money_transaction():
            _insert(row)
            announce(row)
    except AlreadyStored:
        # Another delivery of it has been stored meanwhile, with its own result.
        logger.info("The event %s was stored by another delivery.", row.event_id)


def _rows(event: Event) -> WebhookEventQuerySet:
    own = {"variant": event.variant, "account_id": event.account_id, "event_id": event.id}
    return stored_events().filter(provider=event.provider, **own)
