"""A host's Celery application, as the guide has it."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.test_workers.settings")

app = Celery("shop", broker=os.environ["WORKER_REDIS_URL"])


@app.task(acks_late=True, ignore_result=True)
def process_webhook(event_pk: int) -> None:
    """Handle a stored event."""
    from django_stripe_gateway.webhooks.inbox.process import process_event

    process_event(event_pk)


def enqueue_webhook(event_pk: int) -> None:
    """Enqueue a stored event."""
    process_webhook.delay(event_pk)
