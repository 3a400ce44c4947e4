"""The task that handles an event: Django's own from 6.0 on, the backport ``django-tasks`` before.

Imported only where events are handled by tasks, because neither has to be there.
"""

from __future__ import annotations

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef]

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.webhooks.inbox.process import process_event


@task(queue_name=gateway_settings.webhook_queue)
def process_webhook_event(event_pk: int) -> str:
    """Handle a stored event, and return the state that it ends in."""
    return process_event(event_pk)


def enqueue_event(event_pk: int) -> None:
    """Enqueue the task on the queue of the settings."""
    process_webhook_event.using(queue_name=gateway_settings.webhook_queue).enqueue(event_pk)
