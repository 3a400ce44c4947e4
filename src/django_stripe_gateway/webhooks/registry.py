"""Which function handles which event; a host registers its own exactly as this app does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.webhooks.events import Event

#: A handler runs inside the transaction that stores the event: it may change rows and must not call a provider.
Handler = Callable[[Event], WebhookState | None]


WILDCARD = "*"
OWN_MODULES = "django_stripe_gateway.webhooks."


class FetchNeeded(Exception):
    """A handler needs something from the provider before it can decide.

    The transaction is undone, ``fetch`` is called outside of any, and the handlers run again; the one that asked finds
    the result, which must not be ``None``, in ``event.fetched``. A handler can ask five times for each event.
    """

    def __init__(self, fetch: Callable[[], Any]) -> None:
        super().__init__()
        self.fetch = fetch
        #: Who asked; the inbox notes it.
        self.handler: Handler | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """One handler with the events that it is for."""

    handler: Handler
    event_type: str
    account: str = ""
    before: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the handler is one of this app's."""
        return (getattr(self.handler, "__module__", None) or "").startswith(OWN_MODULES)

    @property
    def turn(self) -> int:
        """Whether the handler runs before, among or after this app's own."""
        return 0 if self.before else 1 if self.is_own else 2

    def is_for(self, event_type: str, account: str | None) -> bool:
        """Return whether the handler is for events of a type, and of an account unless that is ``None``."""
        if self.account and account not in (None, self.account):
            return False
        if not matches(self.event_type, event_type):
            return False
        return not (self.is_own and any(matches(pattern, event_type) for pattern in gateway_settings.webhook_unhandled))


_registrations: list[Registration] = []


def handles(*event_types: str, account: str = "", before: bool = False) -> Callable[[Handler], Handler]:
    """Register a function for events, named as the provider names them ("payment_intent.succeeded").

    The function is called at least once for each event, in no order: it must be safe to call twice. It returns what
    became of the event (processed, ignored, unmatched or mismatched), by default ``WebhookState.PROCESSED``; the
    gravest of what the handlers of an event return is kept. One that raises fails the event for all of them.

    Args:
        event_types: names, or beginnings of names with a wildcard: "invoice.*", or "*" for every event.
        account: the payment variant whose events the function is for; by default those of all.
        before: run it before this app's own handlers; by default it runs after them.

    Raises:
        ValueError: a wildcard stands elsewhere than at the end.
    """
    for event_type in event_types:
        if WILDCARD in event_type[:-1]:
            raise ValueError(f"{event_type!r} has a wildcard in the middle; put it at the end, as in 'invoice.*'.")

    def register(handler: Handler) -> Handler:
        for event_type in event_types:
            registration = Registration(handler, event_type, account, before)
            if registration not in _registrations:
                _registrations.append(registration)
        return handler

    return register


def matches(pattern: str, event_type: str) -> bool:
    """Return whether an event type is meant by a name or by a beginning with a wildcard."""
    if pattern.endswith(WILDCARD):
        return event_type.startswith(pattern.removesuffix(WILDCARD))
    return pattern == event_type


def handlers_for(event_type: str, account: str | None = None) -> list[Handler]:
    """Return the handlers of an event type, in the order in which they run, each once.

    Args:
        account: leave out what is registered for other accounts; by default nothing is left out.
    """
    found = [registration for registration in _registrations if registration.is_for(event_type, account)]
    return list(dict.fromkeys(registration.handler for registration in sorted(found, key=lambda one: one.turn)))


def handled_types(account: str | None = None) -> list[str]:
    """Return every event type that somebody handles by its name; see also ``handled_patterns``.

    Args:
        account: leave out what is handled for other accounts only; by default nothing is left out.
    """
    names = {registration.event_type for registration in _registrations} - set(handled_patterns())
    return sorted(name for name in names if handlers_for(name, account))


def handled_patterns() -> list[str]:
    """Return the wildcards that somebody has registered ("invoice.*"); they name no type of the provider's."""
    return sorted({one.event_type for one in _registrations if one.event_type.endswith(WILDCARD)})


@contextmanager
def temporary_handlers() -> Iterator[None]:
    """Forget, on leaving, what was registered inside: for tests."""
    before = list(_registrations)
    try:
        yield
    finally:
        _registrations[:] = before
