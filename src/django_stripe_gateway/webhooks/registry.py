"""Which function handles which event; a host registers its own exactly as this app does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter
from typing import Any

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf import gateway_settings, is_seller_variant, split_variant
from django_stripe_gateway.webhooks.events import Event

#: A handler runs inside the transaction that stores the event: it may change rows and must not call a provider.
Handler = Callable[[Event], WebhookState | None]


WILDCARD = "*"


class FetchNeeded(Exception):
    """A handler needs something from the provider before it can decide.

    The transaction is undone, ``fetch`` is called outside of any, and the handlers run again; the one that asked finds
    the result in ``event.fetched``, unless it is ``None``. A handler can ask five times for each event.
    """

    def __init__(self, fetch: Callable[[], Any]) -> None:
        super().__init__()
        self.fetch = fetch
        #: Who asked; the inbox notes it.
        self.handler: Handler | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """One handler with the events that it is for.

    Args:
        variant: the payment variant whose events it is for, empty for all.
        provider: the provider whose events it is for, empty for all.
        before: it is a host's that runs before the provider's own, and not after them.
        built_in: it is the provider's own, and no host's.
        connect: it is for events of connected accounts, and not for those of this site's own.
        turn: when it runs among those of a type: by that, else in the order of registration.
    """

    handler: Handler
    event_type: str
    variant: str = ""
    provider: str = ""
    before: bool = False
    built_in: bool = False
    connect: bool = False
    turn: tuple[int, int] = field(default=(0, 0), compare=False)


# By the names of types, and for beginnings of names.
_by_type: dict[str, list[Registration]] = {}
_by_pattern: list[Registration] = []
_numbers = count()


def handles(
    *event_types: str,
    variant: str = "",
    provider: str = "",
    before: bool = False,
    built_in: bool = False,
    connect: bool = False,
) -> Callable[[Handler], Handler]:
    """Register a function for events, named as the provider names them ("payment_intent.succeeded").

    The function is called at least once for each event, in no order: it must be safe to call twice. It returns what
    became of the event (processed, ignored, unmatched or mismatched), by default ``WebhookState.PROCESSED``; the
    gravest of what the handlers of an event return is kept. One that raises fails the event for all of them.

    Args:
        event_types: names, or beginnings of names with a wildcard: "invoice.*", or "*" for every event.
        variant: the payment variant whose events the function is for; by default those of all.
        provider: the provider whose events the function is for, by its registered name; by default those of all.
        before: run it before the provider's own handlers; by default it runs after them.
        built_in: for those who write a provider: this is one of its own handlers, which
            ``STRIPE_GATEWAY_WEBHOOK_UNHANDLED`` turns off.
        connect: the function is for the events of accounts that are connected to this site's own, which
            ``event.account_id`` names, and for no others; by default it is for those of the own accounts alone.

    Raises:
        ValueError: a wildcard stands elsewhere than at the end, or a built-in handler names no provider.
    """
    for event_type in event_types:
        if WILDCARD in event_type[:-1]:
            raise ValueError(f"{event_type!r} has a wildcard in the middle; put it at the end, as in 'invoice.*'.")
    if built_in and not provider:
        raise ValueError("A built-in handler is for the events of one provider; name it.")

    def register(handler: Handler) -> Handler:
        for event_type in event_types:
            known = _by_pattern if event_type.endswith(WILDCARD) else _by_type.setdefault(event_type, [])
            turn = (1 if built_in else 0 if before else 2, next(_numbers))
            registration = Registration(handler, event_type, variant, provider, before, built_in, connect, turn)
            if registration not in known:
                known.append(registration)
        return handler

    return register


def matches(pattern: str, event_type: str) -> bool:
    """Return whether an event type is meant by a name or by a beginning with a wildcard."""
    if pattern.endswith(WILDCARD):
        return event_type.startswith(pattern.removesuffix(WILDCARD))
    return pattern == event_type


def handlers_for(
    event_type: str, variant: str | None = None, provider: str | None = None, *, connect: bool = False
) -> list[Handler]:
    """Return the handlers of an event type, in the order in which they run, each once; without what is turned off.

    Args:
        variant: leave out what is registered for other variants; by default nothing is left out.
        provider: leave out what is registered for other providers; by default nothing is left out.
        connect: of the events of connected accounts. Where the variant is a seller's, whose payments are taken here,
            these are hosts' handlers for connected accounts and the provider's own for payments.
    """
    is_sellers = variant is not None and is_seller_variant(variant)
    variant = variant and split_variant(variant)[0]
    found = [*_by_type.get(event_type, ())]
    found += [one for one in _by_pattern if matches(one.event_type, event_type)]
    turned_off = any(matches(pattern, event_type) for pattern in gateway_settings.webhook_unhandled)
    mine = (
        one
        for one in found
        if (not one.variant or variant in (None, one.variant))
        and (not one.provider or provider in (None, one.provider))
        and not (one.built_in and turned_off)
        and (one.connect == connect or (is_sellers and one.built_in))
    )
    return list(dict.fromkeys(one.handler for one in sorted(mine, key=attrgetter("turn"))))


def handled_types(variant: str | None = None, provider: str | None = None, *, connect: bool = False) -> list[str]:
    """Return every event type that somebody handles by its name; see also ``handled_patterns``.

    Args:
        variant: leave out what is handled for other variants only; by default nothing is left out.
        provider: leave out what is handled for other providers only, and names that only others' own handlers know.
        connect: of connected accounts.
    """
    return sorted(
        event_type
        for event_type, registrations in _by_type.items()
        if any(one.connect == connect for one in registrations)
        and handlers_for(event_type, variant, provider, connect=connect)
        and not _is_foreign(registrations, provider)
    )


def handled_patterns() -> list[str]:
    """Return the wildcards that somebody has registered ("invoice.*"); they name no type of the provider's."""
    return sorted({one.event_type for one in _by_pattern})


@contextmanager
def temporary_handlers() -> Iterator[None]:
    """Forget, on leaving, what was registered inside: for tests."""
    by_type, by_pattern = {event_type: list(known) for event_type, known in _by_type.items()}, list(_by_pattern)
    try:
        yield
    finally:
        _by_type.clear()
        _by_type.update(by_type)
        _by_pattern[:] = by_pattern


def _is_foreign(registrations: Sequence[Registration], provider: str | None) -> bool:
    owners = {one.provider for one in registrations if one.built_in}
    return provider is not None and bool(owners) and provider not in owners
