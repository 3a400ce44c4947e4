"""The task that sends a meter event: Django's own from 6.0 on, the backport ``django-tasks`` before.

Imported only where events are sent by tasks, because neither has to be there.
"""

from __future__ import annotations

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef]

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.services.usage.meters.send import send_meter_event


@task(queue_name=gateway_settings.webhook_queue)
def send_usage(event_pk: int) -> str:
    """Send a meter event, and return the state that it is in; empty if it is another process's."""
    event = send_meter_event(event_pk)
    return event.state if event else ""


def enqueue_meter_event(event_pk: int) -> None:
    """Enqueue the task on the queue of the settings; sent twice is counted once."""
    send_usage.using(queue_name=gateway_settings.webhook_queue).enqueue(event_pk)
