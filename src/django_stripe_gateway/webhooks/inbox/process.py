"""Handle stored events, in workers and wherever else no provider waits for the answer."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.arrivals import known_objects
from django_stripe_gateway.services.transactions import money_transaction, retry_on_deadlock
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.claims import claim_event, stored_events
from django_stripe_gateway.webhooks.inbox.run import (
    Fetched,
    announce,
    fail,
    log_failure,
    run_handlers,
    settle,
    with_fetches,
    write,
)
from django_stripe_gateway.webhooks.parsing import event_of

logger = logging.getLogger(__name__)


def process_event(event_pk: int) -> str:
    """Handle a stored event once; what a worker calls, whichever queue has brought it the event's primary key.

    It can be called again, early, late, or by several workers at once. A handler that raises is no exception here: the
    event is kept as failed and the sweeper tries again.

    Returns:
        The event's state, or an empty string if there was nothing to do: it is settled, gone, or another worker has it.
    """
    row = process_row(event_pk)
    return str(row.state) if row is not None else ""


def process_row(event_pk: int) -> WebhookEvent | None:
    """Handle a stored event, and return it; see ``process_event``."""
    row = _claim_and_handle(event_pk)
    return look_again(row) if row is not None else None


def look_again(row: WebhookEvent) -> WebhookEvent:
    """Handle an event once more if its object has appeared while it was stored as unmatched.

    Whoever stores an object's id looks for events after its commit, and whoever stores an event as unmatched looks for
    its object after its own: whichever commits last finds the other one.
    """
    if row.state == WebhookState.UNMATCHED and known_objects((row.object_id, row.related_id)):
        return _claim_and_handle(row.pk) or row
    return row


def _claim_and_handle(event_pk: int) -> WebhookEvent | None:
    row = claim_event(event_pk)
    if row is None:
        return None
    if row.state == WebhookState.DEAD:
        logger.error("The event %s (%s) is dead: its worker died with it.", row.event_id, row.type)
        return row
    try:
        event = event_of(row)
        handled: WebhookEvent | None = with_fetches(row.type, lambda fetched: _settle_claimed(event_pk, event, fetched))
    except Exception as error:
        log_failure(row.event_id, row.type, error)
        return _note_failure(event_pk, error)
    return handled


@retry_on_deadlock
def _settle_claimed(event_pk: int, event: Event, fetched: Fetched) -> WebhookEvent | None:
    with money_transaction():
        row = stored_events().select_for_update().filter(pk=event_pk).first()
        # A worker whose lease ran out may have been slow and not dead.
        if row is not None and not row.is_settled:
            settle(row, run_handlers(event, fetched))
            write(row)
            announce(row)
    return row


@retry_on_deadlock
def _note_failure(event_pk: int, error: Exception) -> WebhookEvent | None:
    with money_transaction():
        row = stored_events().select_for_update().filter(pk=event_pk).first()
        if row is not None and not row.is_settled:
            fail(row, error)
            write(row)
            announce(row)
    return row
