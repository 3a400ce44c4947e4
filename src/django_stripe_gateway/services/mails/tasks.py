"""The task that sends an e-mail: Django's own from 6.0 on, the backport ``django-tasks`` before.

Imported only where e-mails are sent by tasks, because neither has to be there.
"""

from __future__ import annotations

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef]

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.services.mails.send import send_mail


@task(queue_name=gateway_settings.webhook_queue)
def send_mail_message(mail_pk: int) -> str:
    """Send an e-mail, and return the state that it is in; empty if it is another process's."""
    mail = send_mail(mail_pk)
    return mail.state if mail else ""


def enqueue_mail(mail_pk: int) -> None:
    """Enqueue the task on the queue of the settings; enqueued twice is sent once."""
    send_mail_message.using(queue_name=gateway_settings.webhook_queue).enqueue(mail_pk)
