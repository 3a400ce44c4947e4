"""Delete events that are old and settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django_stripe_gateway.models.webhook_events import WebhookEventQuerySet
from django_stripe_gateway.services.transactions import retry_on_deadlock
from django_stripe_gateway.webhooks.inbox.run import stored_events


def purgeable_events(before: datetime, states: Sequence[str]) -> WebhookEventQuerySet:
    """Return the events of some states that were received before a time."""
    return stored_events().filter(state__in=states, received__lt=before)


def purge_events(before: datetime, states: Sequence[str], batch_size: int) -> Iterator[dict[str, int]]:
    """Delete those events, so many at a time, and yield how many of each state a batch had.

    Batches are short transactions: deliveries go on in between.
    """
    while True:
        events = purgeable_events(before, states).order_by("pk").values_list("pk", "state")
        batch = dict(events[:batch_size])
        if not batch:
            return
        _delete(batch, states)
        yield {state: list(batch.values()).count(state) for state in set(batch.values())}


@retry_on_deadlock
def _delete(batch: dict[int, str], states: Sequence[str]) -> None:
    # One that is being replayed meanwhile is left.
    stored_events().filter(pk__in=list(batch), state__in=states).delete()
