"""Which object an event's own object belongs to, or only names."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.providers import webhook_provider

# What reading an object of any shape can raise.
READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def related_id(event: Event) -> str:
    """Return the id that the event's object names as what it belongs to, empty if it names none."""
    try:
        parents = webhook_provider(event.provider).parents(event.object)
        return next(filter(None, map(clean_id, parents)), "")
    except READING_ERRORS:
        return ""


def fetch_related_object(*, event: Event) -> dict[str, Any]:
    """Ask the provider for the object that a thin event only names; in a handler, by way of ``FetchNeeded``.

    Returns:
        The object as plain values, as it is now.

    Raises:
        ProviderError: the event names no object of the provider's, or the provider refused or failed.
    """
    return webhook_provider(event.provider).related_object(event.variant, event.object, event.context)
