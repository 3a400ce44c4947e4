"""Which handlers an event is given to, and in which form.

A thin event only names its object. Handlers of its own type get it as it came; those of the type that holds the object
(``payment_intent.succeeded`` of ``v1.payment_intent.succeeded``) get it with the object, which is asked for first.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.providers import LookedUp, webhook_provider
from django_stripe_gateway.webhooks.registry import FetchNeeded, Handler, handlers_for

logger = logging.getLogger(__name__)

NOBODY = "nobody handles its type"
NOT_CONNECTED = "about an account that is none of this site's"


@dataclasses.dataclass(frozen=True, slots=True)
class Dispatch:
    """The handlers of one event.

    Args:
        as_it_came: those that get it as it was delivered.
        with_object: those that get a thin one with its object, as an event of ``full_type``.
    """

    event: Event
    as_it_came: Sequence[Handler]
    with_object: Sequence[Handler] = ()
    full_type: str = ""

    def __bool__(self) -> bool:
        return bool(self.as_it_came or self.with_object)

    def calls(self, fetched: Mapping[Handler, Any]) -> Iterator[tuple[Handler, Event]]:
        """Yield each handler with the event that it gets, what it has asked for included.

        Raises:
            FetchNeeded: the object of a thin event has to be asked for first.
        """
        for handler in self.as_it_came:
            yield handler, _answered(handler, self.event, fetched)
        if not self.with_object:
            return
        found = fetched.get(look_up)
        if found is None:
            needed = FetchNeeded(lambda: look_up(self.event))
            needed.handler = look_up
            raise needed
        if found.state is not None:
            yield lambda event: event.because(found.state, found.reason), self.event
            return
        full = dataclasses.replace(self.event, type=self.full_type, object=found.object, looked_up=found.began)
        for handler in self.with_object:
            yield handler, _answered(handler, full, fetched)


def dispatch(event: Event) -> Dispatch:
    """Return who handles an event."""
    is_connected = bool(event.account_id)
    as_it_came = handlers_for(event.type, event.variant, event.provider, connect=is_connected)
    full_type = webhook_provider(event.provider).full_type(event.type) if event.is_thin else ""
    if not full_type:
        return Dispatch(event, as_it_came)
    named = handlers_for(full_type, event.variant, event.provider, connect=is_connected)
    # A wildcard for both is satisfied with what came.
    return Dispatch(event, as_it_came, [one for one in named if one not in as_it_came], full_type)


def look_up(event: Event) -> Any:
    """Ask for the object of a thin event; among what was fetched, this stands for whoever asked."""
    found: LookedUp = webhook_provider(event.provider).look_up(event)
    if found.state is not None:
        level = logging.ERROR if found.state == WebhookState.MISMATCHED else logging.INFO
        logger.log(level, "The thin event %s (%s) is %s: %s.", event.id, event.type, found.state, found.reason)
    return found


def note_unhandled(event: Event) -> None:
    """Note why nobody handles an event; how to handle a thin one is not obvious, and stands in the log."""
    event.reasons.append(why_nobody(event))
    if event.is_thin:
        logger.info(
            "The thin event %s (%s) is ignored, because nobody handles its type. Register a handler with "
            'django_stripe_gateway.webhooks.handles("%s"%s), which gets it with its object where the provider knows it '
            "under that name, or for the type as it came, and ask with fetch_related_object.",
            event.id,
            event.type,
            webhook_provider(event.provider).full_type(event.type) or event.type,
            ", connect=True" if event.account_id else "",
        )


def why_nobody(event: Event) -> str:
    """Return why nobody handles an event, in a few words."""
    return NOT_CONNECTED if event.account_id else NOBODY


def _answered(handler: Handler, event: Event, fetched: Mapping[Handler, Any]) -> Event:
    return dataclasses.replace(event, fetched=fetched[handler]) if handler in fetched else event
