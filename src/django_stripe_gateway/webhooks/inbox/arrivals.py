"""Handle the unmatched events about objects whose ids have just been stored."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.services.arrivals import receives_arrivals
from django_stripe_gateway.webhooks.inbox.claims import stored_events
from django_stripe_gateway.webhooks.inbox.process import process_event
from django_stripe_gateway.webhooks.inbox.queue import hand_over, uses_workers
from django_stripe_gateway.webhooks.inbox.retries import lease_end

logger = logging.getLogger(__name__)


@receives_arrivals
def handle_waiting_events(object_ids: Collection[str]) -> None:
    """Handle, or hand over, the unmatched events that name one of the ids, the oldest first."""
    handle = hand_over if uses_workers() else process_event
    for event_pk in _waiting(object_ids):
        try:
            handle(event_pk)
        except Exception:
            # Such as a database that is gone: the event is still there, and the sweeper finds it.
            logger.exception("The unmatched event %s could not be handled when its object appeared.", event_pk)


def oldest_first(pk: int, occurred: datetime | None, received: datetime) -> tuple[datetime, int]:
    """Return the key by which events are handled in the order in which they happened."""
    return (occurred or received, pk)


def _waiting(object_ids: Collection[str]) -> list[int]:
    # One indexed column a subquery: an OR over both would not use them on every database.
    unmatched = stored_events().filter(state=WebhookState.UNMATCHED).order_by()
    about = [unmatched.filter(**{f"{name}__in": object_ids}) for name in ("object_id", "related_id")]
    own, related = (queryset.values_list("pk", "occurred", "received") for queryset in about)
    # Django 6.1 gives a union the model's ordering back, by a column that this one does not have.
    found = own.union(related).order_by()
    waiting = [pk for pk, *_times in sorted(found, key=lambda row: oldest_first(*row))]
    if waiting:
        # Of an old one nobody looks for the object any more; the sweeper shall, should it get lost on its way.
        unmatched.filter(pk__in=waiting, next_attempt=None).update(next_attempt=lease_end())
    return waiting
