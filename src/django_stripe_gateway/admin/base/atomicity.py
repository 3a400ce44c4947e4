"""Keep the admin's own transactions away from the services, which commit before they call a provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import connections, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_stripe_gateway.services.transactions import money_transaction


def outside_of_transactions(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark ``view`` so that ``ATOMIC_REQUESTS`` wraps it on no database."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


class NonAtomicActionsMixin:
    """Run the actions of the changelist outside of the transaction that ``ATOMIC_REQUESTS`` would open."""

    def get_urls(self) -> list[Any]:
        """Mark the changelist; the form keeps its transaction."""
        urls: list[Any] = super().get_urls()  # type: ignore[misc]
        for pattern in urls:
            if str(pattern.name).endswith("_changelist"):
                pattern.callback = outside_of_transactions(pattern.callback)
        return urls


def refuse_inside_transaction(model_admin: admin.ModelAdmin[Any], request: HttpRequest) -> bool:
    """Say so, and return whether somebody else, such as a middleware, has opened a transaction around the request."""
    try:
        with money_transaction():
            return False
    except RuntimeError:
        text = _(
            "Nothing was done: a transaction is open around this request, and money must not be moved inside of one. "
            "Take the admin out of ATOMIC_REQUESTS, or out of the middleware that opens it."
        )
        model_admin.message_user(request, text, messages.ERROR)
        return True
