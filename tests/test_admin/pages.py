"""How the tests walk through the admin."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse
from payments import get_payment_model


def model_name() -> str:
    """Return the payment model's name in URLs and permissions."""
    return str(get_payment_model()._meta.model_name)


def payment_url(page: str, *args: Any) -> str:
    """Return the address of an admin page of payments."""
    return reverse(f"admin:{get_payment_model()._meta.app_label}_{model_name()}_{page}", args=args)


def own_url(model: str, page: str, *args: Any) -> str:
    """Return the address of an admin page of another model of the app."""
    return reverse(f"admin:django_stripe_gateway_{model}_{page}", args=args)


def shown_messages(response: Any) -> list[str]:
    """Return the messages on the page that a followed response ends with."""
    return [str(message) for message in response.context["messages"]]


def run_action(client: Client, action: str, *payments: Any, url: str = "", **data: Any) -> Any:
    """Choose an action for some payments in the list; return the page it leads to."""
    body = {"action": action, ACTION_CHECKBOX_NAME: [str(payment.pk) for payment in payments], **data}
    return client.post(url or payment_url("changelist"), body, follow=True)


def run_confirmed(client: Client, action: str, *payments: Any) -> Any:
    """Choose an action and confirm it on the page that asks."""
    asked = run_action(client, action, *payments)
    return run_action(client, action, *payments, confirmed="yes", key=str(asked.context["key"]))


def submit(client: Client, action: str, payment: Any, **data: Any) -> Any:
    """Open the page of an action, fill it in and submit it."""
    url = payment_url(action, payment.pk)
    opened = client.get(url)
    return client.post(url, {"key": str(opened.context["form"]["key"].value()), **data}, follow=True)
