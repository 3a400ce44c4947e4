"""Give stored events to workers; losing one on the way costs time and nothing else."""

from __future__ import annotations

import logging

from django.utils import timezone
from django.utils.module_loading import import_string

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models.webhook_events import UNPROCESSED
from django_stripe_gateway.webhooks.inbox.run import stored_events

logger = logging.getLogger(__name__)

CLAIMABLE = (*UNPROCESSED, WebhookState.UNMATCHED)


def hand_over(event_pk: int) -> None:
    """Enqueue a stored event, outside of any transaction; if that fails, the sweeper handles it at once."""
    try:
        enqueue = import_string(gateway_settings.webhook_enqueue)
        enqueue(event_pk)
    except Exception as error:
        # Its text stays out of the log: a broker's address can hold a password.
        name = type(error).__name__
        logger.error("The stored event %s could not be enqueued (%s); it is left to the sweeper.", event_pk, name)
        try:
            waiting = stored_events().filter(pk=event_pk, state__in=CLAIMABLE, leased_until=None)
            waiting.update(next_attempt=timezone.now())
        except Exception:
            # The queue may have been in the database. The event is committed, and due before long in any case.
            logger.exception("The stored event %s is due when its lease ends.", event_pk)
