"""Ask Stripe for its events, as the text that it delivers to webhooks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.stripe.calls import PAGE, StripeAccountCalls, ask, pool
from django_stripe_gateway.gateways.stripe.paths import PATHS

# Of ``types``; https://docs.stripe.com/api/events/list
MOST_TYPES = 20
# https://docs.stripe.com/api/events: for so long Stripe keeps its events.
RETENTION_DAYS = 30
# A thin event names its object by such a path; nothing else is asked for, whatever an event says.
API_PATH = re.compile(r"/v[12]/[\w/-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are wanted.

    Args:
        since: seconds since 1970, inclusive.
        before: seconds since 1970, exclusive; without it up to now.
        types: the types' names; empty for all.
        undelivered: only those that some webhook endpoint has not taken.
    """

    since: int
    before: int | None = None
    types: tuple[str, ...] = ()
    undelivered: bool = False

    def as_params(self) -> dict[str, Any]:
        """Return the parameters of the request."""
        created = {"gte": self.since} | ({} if self.before is None else {"lt": self.before})
        params: dict[str, Any] = {"limit": PAGE, "created": created}
        if self.types and len(self.types) <= MOST_TYPES:
            params["types"] = list(self.types)
        if self.undelivered:
            params["delivery_success"] = False
        return params


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event's id and type, and its body as a webhook would bring it."""

    id: str
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, newest first; ``last_id`` is where the next, older page begins, empty on the last one."""

    events: Sequence[SentEvent]
    last_id: str


class StripeEvents(StripeAccountCalls):
    """Reads the events of one account."""

    def page(self, query: EventQuery, after: str = "") -> EventPage:
        """Return the page of events that are older than the event ``after``."""
        params = query.as_params() | ({"starting_after": after} if after else {})
        page = ask(self.v1.events.list, _event_page, params=params)
        # Stripe filters by a few types only.
        wanted = [event for event in page.events if not query.types or event.type in query.types]
        return EventPage(wanted, page.last_id)

    def related_object(self, related: Mapping[str, Any], *, context: str = "", account_id: str = "") -> dict[str, Any]:
        """Return the object that an event names, as plain values.

        Args:
            related: the event's ``related_object``; of a snapshot event, the object in it.
            context: the event's own ``context``, where it is about another account.
            account_id: the connected account that is asked, where the event has no context.

        Raises:
            ProviderError: it names no path of Stripe's API.
        """
        url = related.get("url")
        if url is None and related.get("object") in PATHS:
            url = f"{PATHS[related['object']]}/{related.get('id')}"
        if not isinstance(url, str) or not API_PATH.fullmatch(url):
            raise ProviderError("The event names no object of Stripe's API.", code="malformed_object")
        return self._get(url, context, account_id)

    def whole_event(self, event_id: str, *, context: str = "", account_id: str = "") -> dict[str, Any]:
        """Return an event with the object that it holds, for as long as Stripe keeps it; see ``related_object``."""
        return self._get(f"/v1/events/{event_id}", context, account_id)

    def _get(self, url: str, context: str, account_id: str) -> dict[str, Any]:
        options = {"stripe_context": context} if context else {"stripe_account": account_id} if account_id else {}
        if self.account.connected_id:
            # Every call of its client names it, for an organisation's key by the path that it needs.
            options = {}
        return ask(lambda: pool.get(self.account).raw_request("get", url, **options), dict)


def _event_page(obj: Mapping[str, Any]) -> EventPage:
    # With the indent that webhooks come with; ASCII, so that every database can hold what JSON can.
    events = [SentEvent(str(event["id"]), str(event["type"]), json.dumps(event, indent=2)) for event in obj["data"]]
    return EventPage(events, last_id=str(obj["data"][-1]["id"]) if obj.get("has_more") and events else "")
