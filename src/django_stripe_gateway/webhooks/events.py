"""An event as handlers see it, and how one is read out of what was delivered or stored."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, NoReturn

from django.conf import settings
from django.utils import timezone

from django_stripe_gateway.choices import LogSource, WebhookState
from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.models.provider_accounts import ACCOUNT_ID_LENGTH
from django_stripe_gateway.models.storable import storable
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.providers import webhook_provider

_ID = re.compile(r"[\w.:-]{1,255}", re.ASCII)
_TYPE = re.compile(r"[\w.\[\]-]{1,128}", re.ASCII)
# Accounts, the outer one first, with slashes between them.
_CONTEXT = re.compile(r"[\w./-]{1,255}", re.ASCII)
# Escapes of characters that are JSON but perhaps not text that this site's database takes.
_UNSTORABLE = re.compile(r"\\u(?!00[2-7])")
UNREADABLE = "unreadable"
# What reading an object of any shape can raise.
READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a provider.

    Args:
        variant: the payment variant whose secret verified it.
        object: what the event is about, as plain values; of a thin event its ``related_object``, which only names it.
        context: what a thin event about another account has to be asked for with.
        account_id: the connected account that the event is about; empty where it is one of this site's own.
        is_thin: it only names what it is about. Handlers of the type that holds its object are given that.
        looked_up: when the provider was asked for the object, which then is as it was at that time, and not at the
            event's; ``None`` where the event itself held it.
        reasons: why it is ignored, or what it waits for; see ``because``.
        previous: of what the event changed, what it was before.
        fetched: what a handler has asked the provider for, after it raised ``FetchNeeded``.
    """

    id: str
    type: str
    provider: str
    variant: str = ""
    api_version: str = ""
    livemode: bool | None = None
    created: datetime | None = None
    context: str = ""
    account_id: str = ""
    is_thin: bool = False
    looked_up: datetime | None = None
    object: Mapping[str, Any] = field(default_factory=dict, repr=False)
    previous: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fetched: Any = field(default=None, repr=False)
    reasons: list[str] = field(default_factory=list, repr=False, compare=False)

    def because(self, state: WebhookState, reason: str) -> WebhookState:
        """Return ``state``, with a sentence for people about why: a handler returns it in turn."""
        self.reasons.append(reason)
        return state

    @property
    def origin(self) -> Origin:
        """Where changes made by this event come from."""
        return Origin(source=LogSource.WEBHOOK, actor=self.provider, event_id=self.id)


def clean_id(value: Any) -> str:
    """Return ``value`` if it can be a provider's id, else an empty text; anything else never reaches a query."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def parse_event(body: str, *, provider: str, variant: str) -> Event:
    """Return the event in ``body``.

    Raises:
        WebhookRejected: the body is not an event; the sentence says what is wrong with it.
        GatewayConfigurationError: no such provider is registered.
    """
    try:
        data = _decoder.decode(body)
        if _UNSTORABLE.search(body) or not body.isascii():
            data = _storable(data)
    except (ValueError, RecursionError):
        raise WebhookRejected("The body is not JSON.", code="not_json") from None
    if not isinstance(data, dict):
        raise WebhookRejected("The body is not an event.", code="not_an_event")
    found = webhook_provider(provider).read_envelope(data)
    event_id, event_type = clean_id(found.id), found.type
    # One that comes in both forms has one id here.
    event_id = (event_id and clean_id(found.same_as)) or event_id
    if not event_id:
        raise WebhookRejected("The event has no id.", code="not_an_event")
    if not isinstance(event_type, str) or not _TYPE.fullmatch(event_type):
        raise WebhookRejected("The event has no type.", code="not_an_event")
    if not isinstance(found.object, Mapping):
        raise WebhookRejected("The event is about no object.", code="not_an_event")
    return Event(
        id=event_id,
        type=event_type,
        provider=provider,
        variant=variant,
        api_version=found.api_version[:32] if isinstance(found.api_version, str) else "",
        livemode=found.livemode if isinstance(found.livemode, bool) else None,
        created=_moment(found.created),
        context=_context(found.context),
        account_id=_account_id(found.account),
        is_thin=found.is_thin,
        object=found.object,
        previous=found.previous if isinstance(found.previous, Mapping) else {},
    )


def event_of(row: WebhookEvent) -> Event:
    """Return the event that a stored row holds."""
    event = parse_event(row.body, provider=row.provider, variant=row.variant)
    # Whose it is was found out when it came.
    return _placed(event, row.variant, row.account_id) if event.account_id else event


def place_event(event: Event) -> Event:
    """Return a verified event with whose it is: an own account's, or a connected one's; not in a transaction.

    Raises:
        GatewayError: that could not be found out.
    """
    if not event.account_id:
        return event
    # A thin event says what it is about where others say "object".
    kind = clean_id(event.object.get("object") or event.object.get("type"))
    place = webhook_provider(event.provider).place
    return _placed(event, *place(event.variant, event.account_id, event.livemode, kind))


def related_id(event: Event) -> str:
    """Return the id that the event's object names as what it belongs to, empty if it names none."""
    try:
        parents = webhook_provider(event.provider).parents(event.object)
        return next(filter(None, map(clean_id, parents)), "")
    except READING_ERRORS:
        return ""


def fetch_related_object(*, event: Event) -> dict[str, Any]:
    """Ask the provider for what an event is about; in a handler, by way of ``FetchNeeded``.

    Of a thin event that is the object that it only names. An event of a connected account asks that account.

    Returns:
        The object as plain values, as it is now.

    Raises:
        ProviderError: the event names no object of the provider's, or the provider refused or failed.
    """
    return webhook_provider(event.provider).related_object(event.variant, event.object, event.context, event.account_id)


def _account_id(value: Any) -> str:
    # What cannot be read is not taken for an own account.
    return "" if value in (None, "") else clean_id(value)[:ACCOUNT_ID_LENGTH] or UNREADABLE


def _placed(event: Event, variant: str, account_id: str) -> Event:
    # An own account is asked with its own key.
    context = event.context if account_id else ""
    return dataclasses.replace(event, variant=variant, account_id=account_id, context=context)


def _context(value: Any) -> str:
    return value if isinstance(value, str) and _CONTEXT.fullmatch(value) else ""


def _moment(value: Any) -> datetime | None:
    """Return the time in ``value`` (seconds, or ISO 8601 as in thin events) as this site's databases hold times."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        elif isinstance(value, int) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            return None
    except (OverflowError, OSError, ValueError):
        return None
    if not MINYEAR < moment.year < MAXYEAR:
        # At the ends of the calendar the moment does not exist in every time zone.
        return None
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        # It may come to be looked for, which a database refuses as it does to keep it.
        return storable(text, WebhookEvent._meta.get_field("body"), payments_database())
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
