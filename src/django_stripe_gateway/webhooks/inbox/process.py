"""Handle stored events: in workers, when their objects appear, and wherever else no provider waits for the answer.

An event is taken for one worker first; the attempt is counted and committed before its handlers run. An event that
kills whoever handles it ends dead after its last attempt, and not one worker after the other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime

from django.db import connections
from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.models.webhook_events import UNPROCESSED
from django_stripe_gateway.services.arrivals import known_objects, receives_arrivals
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.webhooks.events import event_of
from django_stripe_gateway.webhooks.inbox.queue import CLAIMABLE, hand_over
from django_stripe_gateway.webhooks.inbox.run import (
    announce,
    handle_locked,
    is_last_attempt,
    lease_end,
    log_failure,
    note_failure,
    stored_events,
    uses_workers,
    with_fetches,
    write,
)

logger = logging.getLogger(__name__)

KILLED = "Its worker died while handling it, as often as attempts are allowed."


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
    return look_again(row) if row is not None and row.state == WebhookState.UNMATCHED else row


def look_again(row: WebhookEvent) -> WebhookEvent:
    """Handle an unmatched event once more if its object has appeared while it was stored.

    Whoever stores an object's id looks for events after its commit, and whoever stores an event as unmatched looks for
    its object after its own: whichever commits last finds the other one.
    """
    is_known = known_objects((row.object_id, row.related_id))
    return (_claim_and_handle(row.pk) if is_known else None) or row


@receives_arrivals
def handle_waiting_events(object_ids: Collection[str]) -> None:
    """Handle, or hand over, the unmatched events that name one of the ids, the oldest first."""
    # One indexed column a subquery: an OR over both would not use them on every database.
    unmatched = WebhookEvent.objects.using(payments_database()).filter(state=WebhookState.UNMATCHED).order_by()
    about = [unmatched.filter(**{f"{name}__in": object_ids}) for name in ("object_id", "related_id")]
    own, related = (queryset.values_list("pk", "occurred", "received") for queryset in about)
    # Django 6.1 gives a union the model's ordering back, by a column that this one does not have.
    waiting = list(own.union(related).order_by())
    if not waiting:
        return
    # Of an old one nobody looks for the object any more; the sweeper shall, should it get lost on its way.
    unmatched.filter(pk__in=[row[0] for row in waiting], next_attempt=None).update(next_attempt=lease_end())
    handle = hand_over if uses_workers() else process_event
    for event_pk, *_times in sorted(waiting, key=lambda row: oldest_first(*row)):
        try:
            handle(event_pk)
        except Exception:
            # Such as a database that is gone: the event is still there, and the sweeper finds it.
            logger.exception("The unmatched event %s could not be handled when its object appeared.", event_pk)


def oldest_first(pk: int, occurred: datetime | None, received: datetime) -> tuple[datetime, int]:
    """Return the key by which events are handled in the order in which they happened."""
    return (occurred or received, pk)


@retry_on_deadlock
def claim_event(event_pk: int) -> WebhookEvent | None:
    """Take an event for this worker until its lease ends, and count the attempt.

    Returns:
        The event, which is dead if its last attempt has killed its worker; ``None`` if there is nothing to do, because
        it is settled or another worker has it.
    """
    with money_transaction():
        # One that another worker has locked is as good as gone.
        can_skip = connections[payments_database()].features.has_select_for_update_skip_locked
        row = stored_events().select_for_update(skip_locked=can_skip).filter(pk=event_pk).first()
        if row is None or row.state not in CLAIMABLE or row.is_leased(timezone.now()):
            return None
        if row.state in UNPROCESSED and is_last_attempt(row):
            row.state = WebhookState.DEAD
            row.error = row.error or KILLED
            row.next_attempt = row.leased_until = None
            announce(row)
        else:
            if row.state == WebhookState.UNMATCHED:
                row.state = WebhookState.RECEIVED
            row.attempts += 1
            row.next_attempt = row.leased_until = lease_end()
        write(row)
    return row


def _claim_and_handle(event_pk: int) -> WebhookEvent | None:
    row = claim_event(event_pk)
    if row is None:
        return None
    if row.state == WebhookState.DEAD:
        logger.error("The event %s (%s) is dead: its worker died with it.", row.event_id, row.type)
        return row
    rows = stored_events().filter(pk=event_pk)
    try:
        event = event_of(row)
        return with_fetches(row.type, lambda fetched: handle_locked(rows, event, fetched, attempts=0))
    except Exception as error:
        log_failure(row.event_id, row.type, error)
        return note_failure(rows, error, attempts=0)
