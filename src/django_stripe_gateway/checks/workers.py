"""Workers that handle webhook events: whether there is a way to reach them."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import GatewaySettings, gateway_settings, rules

# Backends without workers: the one runs a task where it is enqueued, the other never.
WITHOUT_WORKERS = ("ImmediateBackend", "DummyBackend")


def check_workers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that events which are left to workers can be enqueued."""
    wrong = {"STRIPE_GATEWAY_WEBHOOK_PROCESSING", "STRIPE_GATEWAY_WEBHOOK_ENQUEUE"} & wrong_settings()
    if wrong or gateway_settings.webhook_processing != "task":
        return []
    path = gateway_settings.webhook_enqueue
    is_ours = path == GatewaySettings.webhook_enqueue.default
    problem = rules.import_problem(path)
    if problem or not callable(import_string(path)):
        message = f"Webhook events are left to workers, but {path} is no function that can be imported"
        hint = "Correct STRIPE_GATEWAY_WEBHOOK_ENQUEUE."
        if is_ours:
            hint = (
                'Use Django 6.0 or newer, or pip install "django-stripe-gateway[tasks]", and let a backend in TASKS '
                f"have the queue {gateway_settings.webhook_queue!r}."
            )
        return [error("018", f"{message}{f' ({problem})' if problem else ''}.", hint)]
    return _check_backend() if is_ours else []


def _check_backend() -> list[CheckMessage]:
    task = import_string("django_stripe_gateway.webhooks.tasks.process_webhook_event")
    name = type(task.get_backend()).__name__
    if name not in WITHOUT_WORKERS:
        return []
    message = f"Webhook events are left to workers, but the tasks backend {name} has none."
    hint = "Name a backend with workers in TASKS, or set STRIPE_GATEWAY_WEBHOOK_PROCESSING = 'inline'."
    return [warning("006", message, hint)]
