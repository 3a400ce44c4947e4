"""E-mails to customers: whether they can be written and sent."""

from __future__ import annotations

from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import GatewaySettings, gateway_settings, rules
from django_stripe_gateway.services.mails.outbox import delivery
from django_stripe_gateway.services.mails.wording import has_babel

NAMES = ("MAILS", "MAIL_FROM", "MAIL_DELIVERY", "MAIL_ENQUEUE", "WEBHOOK_PROCESSING")


def check_mails(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that e-mails which are on can be written, and handed to workers where they are left to them."""
    found: list[CheckMessage] = []
    if not _are_on():
        return found
    if not has_babel():
        hint = 'pip install "django-stripe-gateway[mails]"'
        found.append(error("080", "STRIPE_GATEWAY_MAILS is on, but Babel, which writes amounts, is missing.", hint))
    path = gateway_settings.mail_enqueue
    problem = rules.import_problem(path) if delivery() == "task" else ""
    if delivery() == "task" and (problem or not callable(import_string(path))):
        is_ours = path == GatewaySettings.mail_enqueue.default
        tasks = 'Use Django 6.0 or newer, or pip install "django-stripe-gateway[tasks]"; or name a function of yours.'
        message = f"E-mails are left to workers, but {path} is no function that can be imported"
        hint = tasks if is_ours else "Correct STRIPE_GATEWAY_MAIL_ENQUEUE."
        found.append(error("081", f"{message}{f' ({problem})' if problem else ''}.", hint))
    return found


def check_mail_sender(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that e-mails do not come from nobody."""
    if not _are_on() or gateway_settings.mail_from:
        return []
    if settings.DEFAULT_FROM_EMAIL != global_settings.DEFAULT_FROM_EMAIL:
        return []
    message = f"E-mails to customers come from {settings.DEFAULT_FROM_EMAIL}, which many servers refuse."
    return [warning("080", message, "Set STRIPE_GATEWAY_MAIL_FROM, or DEFAULT_FROM_EMAIL.")]


def _are_on() -> bool:
    wrong = {f"STRIPE_GATEWAY_{name}" for name in NAMES} & wrong_settings()
    return not wrong and bool(gateway_settings.mails)
