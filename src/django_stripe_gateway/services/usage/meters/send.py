"""Send meter events, so that the provider counts each exactly once.

The provider counts an identifier once while it remembers it, which is a day at least. An event whose arrival is still
not known when that day is over is not sent again by itself: it could be counted twice. It becomes ``unclear``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_stripe_gateway.choices import MeterEventState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, GatewayError, ProviderUnavailable
from django_stripe_gateway.gateways.metering import (
    IDENTIFIER_HOURS,
    MAX_AGE_DAYS,
    Meter,
    MeterEventRequest,
    MeterGateway,
)
from django_stripe_gateway.gateways.registry import get_meters
from django_stripe_gateway.models import MeterEvent
from django_stripe_gateway.services.accounts import verify_account
from django_stripe_gateway.services.usage.periods import as_aware
from django_stripe_gateway.services.usage.transactions import usage_database

logger = logging.getLogger(__name__)

BATCH = 500
LEASE_MARGIN = 30


class KnownMeters:
    """The meters of each account, asked for once."""

    def __init__(self) -> None:
        self._by_variant: dict[str, Mapping[str, Meter]] = {}

    def find(self, variant: str, meters: MeterGateway, event_name: str) -> Meter:
        """Return the active meter for ``event_name``, or one with the provider's default names."""
        if variant not in self._by_variant:
            self._by_variant[variant] = meters.list_meters()
        return self._by_variant[variant].get(event_name) or meters.default_meter(event_name)


def due_meter_events() -> list[int]:
    """Return the keys of events that wait to be sent, the oldest first."""
    return list(_events().due().order_by("pk").values_list("pk", flat=True)[:BATCH])


def send_due_meter_events() -> Iterator[MeterEvent]:
    """Send every event that is due, once in this run, and yield each as it is afterwards."""
    last, known = 0, KnownMeters()
    while due := list(_events().due().filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        last = due[-1]
        for pk in due:
            sent = send_meter_event(pk, known)
            if sent is not None:
                yield sent


def send_meter_event(event_pk: int, known: KnownMeters | None = None) -> MeterEvent | None:
    """Send one event, unless it is sent already or another process holds its lease; return it if this one was.

    Args:
        known: the meters that were read before.

    Raises:
        GatewayConfigurationError: the account cannot be called; the event stays due.
    """
    event = _claim(event_pk)
    if event is None:
        return None
    now = timezone.now()
    first_sent = event.first_sent or now
    if event.attempts > 1 and now - first_sent > timedelta(hours=IDENTIFIER_HOURS):
        return _settle(event, MeterEventState.UNCLEAR)
    if now - event.occurred > timedelta(days=MAX_AGE_DAYS):
        return _settle(
            event, MeterEventState.REFUSED, {"code": "too_old", "detail": "It is older than the provider takes."}
        )
    try:
        _send(event, known or KnownMeters())
    except GatewayConfigurationError as error:
        _release(event, may_have_arrived=error.may_have_acted)
        raise
    except ProviderUnavailable as error:
        event.error = _problem(error)
        return _release(event, may_have_arrived=True)
    except GatewayError as error:
        logger.error("The provider refused meter event %s (%s, %s).", event.pk, error.code, error.request_id or "-")
        return _settle(event, MeterEventState.REFUSED, _problem(error))
    return _settle(event, MeterEventState.SENT)


def _send(event: MeterEvent, known: KnownMeters) -> None:
    verify_account(event.customer)
    meters = get_meters(event.customer.variant)
    request = MeterEventRequest(
        event_name=event.event_name,
        customer_id=str(event.customer.provider_id),
        value=event.value,
        identifier=event.identifier,
        occurred=as_aware(event.occurred),
    )
    # A key for each attempt: under the old one Stripe would repeat its own failure. The identifier is what counts.
    key = f"{event.identifier}-{event.attempts}"
    meters.send_event(request, known.find(event.customer.variant, meters, event.event_name), idempotency_key=key)


def _claim(event_pk: int) -> MeterEvent | None:
    now = timezone.now()
    per_call = gateway_settings.timeout * (gateway_settings.max_network_retries + 1)
    leased = now + timedelta(seconds=2 * per_call + LEASE_MARGIN)
    is_claimed = (
        _events()
        .due(now)
        .filter(pk=event_pk)
        .update(leased_until=leased, attempts=F("attempts") + 1, first_sent=Coalesce("first_sent", now), modified=now)
    )
    return _events().select_related("customer").get(pk=event_pk) if is_claimed else None


def _settle(event: MeterEvent, state: str, error: dict[str, Any] | None = None) -> MeterEvent:
    event.state, event.error, event.leased_until = state, error or {}, timezone.now()
    event.save(using=usage_database(), update_fields=["state", "error", "leased_until", "modified"])
    return event


def _release(event: MeterEvent, *, may_have_arrived: bool) -> MeterEvent:
    """Let the next run send it again; without a working key, it cannot have arrived."""
    fields = ["leased_until", "error", "modified"]
    event.leased_until = timezone.now()
    if not may_have_arrived and event.attempts == 1:
        event.attempts, event.first_sent = 0, None
        fields += ["attempts", "first_sent"]
    event.save(using=usage_database(), update_fields=fields)
    return event


def _problem(error: GatewayError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.detail, "request_id": error.request_id}


def _events() -> Any:
    return MeterEvent.objects.using(usage_database())
