"""When an event is tried again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import WebhookEvent

# How long it is looked whether the object of an unmatched event has appeared, at first after a minute.
FIRST_LOOK = timedelta(minutes=1)
LAST_LOOK = timedelta(days=3)


def is_last_attempt(row: WebhookEvent) -> bool:
    """Return whether an event that fails now is given up."""
    return row.attempts >= gateway_settings.webhook_max_attempts


def retry_time(attempts: int) -> datetime:
    """Return when to try again after so many attempts: each time twice as late, up to the longest delay."""
    # Two to the power of more than this is longer than any delay.
    exponent = min(attempts - 1, 40)
    delay = min(gateway_settings.webhook_retry_delay * 2**exponent, gateway_settings.webhook_retry_max_delay)
    # Events that failed together, because a database was down, shall not come back together.
    jitter = delay * gateway_settings.webhook_retry_jitter * random.random()  # noqa: S311
    return timezone.now() + timedelta(seconds=delay + jitter)


def lease_end() -> datetime:
    """Return until when a worker that takes an event now is left alone with it."""
    return timezone.now() + timedelta(seconds=gateway_settings.webhook_lease)


def next_look(received: datetime) -> datetime | None:
    """Return when to look again for the object of an unmatched event: each time at twice its age, then never."""
    now = timezone.now()
    age = now - received
    return now + max(FIRST_LOOK, age) if age < LAST_LOOK else None
