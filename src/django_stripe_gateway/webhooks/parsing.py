"""Read what was delivered, or stored, as an event."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, NoReturn

from django.conf import settings
from django.utils import timezone

from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.providers import webhook_provider

_TYPE = re.compile(r"[\w.\[\]-]{1,128}", re.ASCII)
# Escapes of characters that are JSON but not text that a database takes: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


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
        if _UNSTORABLE.search(body):
            data = _storable(data)
    except (ValueError, RecursionError):
        raise WebhookRejected("The body is not JSON.", code="not_json") from None
    if not isinstance(data, dict):
        raise WebhookRejected("The body is not an event.", code="not_an_event")
    found = webhook_provider(provider).read_envelope(data)
    event_id, event_type = clean_id(found.id), found.type
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
        context=clean_id(found.context),
        object=found.object,
    )


def event_of(row: WebhookEvent) -> Event:
    """Return the event that a stored row holds."""
    return parse_event(row.body, provider=row.provider, variant=row.variant)


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
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
