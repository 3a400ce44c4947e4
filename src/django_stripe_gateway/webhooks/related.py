"""Which object an event's own object belongs to, so that the event is found when that becomes known."""

from __future__ import annotations

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
