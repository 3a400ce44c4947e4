"""Handle stored events again, whatever became of them."""

from __future__ import annotations

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.transactions import money_transaction, retry_on_deadlock
from django_stripe_gateway.webhooks.inbox.process import process_row
from django_stripe_gateway.webhooks.inbox.queue import hand_over
from django_stripe_gateway.webhooks.inbox.run import stored_events, uses_workers, write


def replay_event(event_pk: int) -> WebhookEvent | None:
    """Handle a stored event as if it had just arrived, here and now.

    Handlers are safe to run twice, so that a replay of an event that was handled changes nothing.

    Returns:
        The event as it is afterwards; ``None`` if it is gone, or another worker has it.
    """
    return process_row(event_pk) if reopen_event(event_pk) else None


def replay_or_hand_over(event_pk: int) -> WebhookEvent | None:
    """Handle a stored event as if it had just arrived, where the settings say; see ``replay_event``."""
    if not uses_workers():
        return replay_event(event_pk)
    if not reopen_event(event_pk):
        return None
    hand_over(event_pk)
    return stored_events().filter(pk=event_pk).first()


@retry_on_deadlock
def reopen_event(event_pk: int) -> bool:
    """Make a stored event due with all of its attempts before it, unless a worker is handling it just now.

    Should this process die before it has handled the event, the sweeper does.
    """
    with money_transaction():
        row = stored_events().select_for_update().filter(pk=event_pk).first()
        now = timezone.now()
        if row is None or row.is_leased(now):
            return False
        row.state = WebhookState.RECEIVED
        row.attempts = 0
        row.error = ""
        row.processed = row.leased_until = None
        row.next_attempt = now
        write(row)
    return True
