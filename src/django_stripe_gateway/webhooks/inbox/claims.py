"""Take a stored event for one worker: the attempt is counted and committed before its handlers run.

An event that kills whoever handles it ends dead after its last attempt, and not one worker after the other.
"""

from __future__ import annotations

from django.db import connections
from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.models.webhook_events import UNPROCESSED, WebhookEventQuerySet
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.webhooks.inbox.retries import is_last_attempt, lease_end
from django_stripe_gateway.webhooks.inbox.run import announce, write

CLAIMABLE = (*UNPROCESSED, WebhookState.UNMATCHED)
KILLED = "Its worker died while handling it, as often as attempts are allowed."


def stored_events() -> WebhookEventQuerySet:
    """Return the events of the database that payments are written to."""
    return WebhookEvent.objects.using(payments_database())


@retry_on_deadlock
def claim_event(event_pk: int) -> WebhookEvent | None:
    """Take an event for this worker until its lease ends, and count the attempt.

    Returns:
        The event, which is dead if its last attempt has killed its worker; ``None`` if there is nothing to do, because
        it is settled or another worker has it.
    """
    with money_transaction():
        row = _lock_unless_taken(event_pk)
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


def _lock_unless_taken(event_pk: int) -> WebhookEvent | None:
    """Return the event, locked, or ``None`` at once if another worker has locked it."""
    can_skip = connections[payments_database()].features.has_select_for_update_skip_locked
    return stored_events().select_for_update(skip_locked=can_skip).filter(pk=event_pk).first()
