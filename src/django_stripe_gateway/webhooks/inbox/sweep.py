"""Handle what is due: failed events again, those whose worker died, and unmatched ones whose object has appeared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.arrivals import known_objects
from django_stripe_gateway.webhooks.inbox.process import oldest_first, process_row
from django_stripe_gateway.webhooks.inbox.run import give_up_looking, next_look, stored_events

BATCH = 100
COLUMNS = ("pk", "state", "object_id", "related_id", "occurred", "received", "next_attempt", "reason")


def process_due_events() -> Iterator[WebhookEvent]:
    """Handle every event that is due, the oldest of a batch first, and yield each one that this process has handled.

    Several sweepers can run side by side: each event is taken by one of them.
    """
    # What fails now is due later, and not in this sweep, however short the delay.
    started = timezone.now()
    while True:
        due = list(stored_events().due(started).order_by("next_attempt").only(*COLUMNS)[:BATCH])
        present = _without_absent(due)
        is_progress = len(present) < len(due)
        for row in sorted(present, key=lambda row: oldest_first(row.pk, row.occurred, row.received)):
            handled = process_row(row.pk)
            if handled is not None:
                is_progress = True
                yield handled
        if not is_progress:
            # Nothing is due, or others are at work on it.
            return


def _without_absent(due: Iterable[WebhookEvent]) -> list[WebhookEvent]:
    """Return the events that can be handled; those whose object is still unknown are looked at again later."""
    unmatched = [row for row in due if row.state == WebhookState.UNMATCHED]
    known = known_objects([name for row in unmatched for name in _names(row)])
    absent = {row.pk: row for row in unmatched if known.isdisjoint(_names(row))}
    for row in absent.values():
        row.next_attempt = next_look(row.received)
        if row.next_attempt is None:
            give_up_looking(row)
    fields = ["state", "reason", "next_attempt"]
    stored_events().filter(state=WebhookState.UNMATCHED).bulk_update(absent.values(), fields)
    return [row for row in due if row.pk not in absent]


def _names(row: Any) -> tuple[str, str]:
    return (row.object_id, row.related_id)
