"""Which function handles which event; a host registers its own exactly as this app does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.webhooks.events import Event

#: A handler runs inside the transaction that stores the event: it may change rows and must not call a provider.
Handler = Callable[[Event], WebhookState | None]


class FetchNeeded(Exception):
    """A handler needs something from the provider before it can decide.

    The transaction is undone, ``fetch`` is called outside of any, and the handlers run again; the one that asked finds
    the result, which must not be ``None``, in ``event.fetched``. A handler can ask once for each event.
    """

    def __init__(self, fetch: Callable[[], Any]) -> None:
        super().__init__()
        self.fetch = fetch
        #: Who asked; the inbox notes it.
        self.handler: Handler | None = None


_handlers: dict[str, list[Handler]] = {}


def handles(*event_types: str) -> Callable[[Handler], Handler]:
    """Register a function for events, named as the provider names them ("payment_intent.succeeded").

    The function is called at least once for each event, in no order: it must be safe to call twice. It returns what
    became of the event (processed, ignored, unmatched or mismatched), by default ``WebhookState.PROCESSED``; the
    gravest of what the handlers of an event return is kept. One that raises fails the event for all of them.
    """

    def register(handler: Handler) -> Handler:
        for event_type in event_types:
            registered = _handlers.setdefault(event_type, [])
            if handler not in registered:
                registered.append(handler)
        return handler

    return register


def handlers_for(event_type: str) -> list[Handler]:
    """Return the handlers of an event type, in the order of their registration."""
    return list(_handlers.get(event_type, ()))


def handled_types() -> list[str]:
    """Return every event type that somebody handles."""
    return sorted(_handlers)


@contextmanager
def temporary_handlers() -> Iterator[None]:
    """Forget, on leaving, what was registered inside: for tests."""
    before = {event_type: list(registered) for event_type, registered in _handlers.items()}
    try:
        yield
    finally:
        _handlers.clear()
        _handlers.update(before)
