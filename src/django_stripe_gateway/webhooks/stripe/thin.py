"""Thin events of objects of API v1: their object is asked for, and then they are what their twins are.

Since 2026-09-30 Stripe sends every event of API v1 thin as well, as ``v1.…`` to event destinations. What is fetched is
as the object is now, which may be long after the event, and is believed of nothing but the object that the event names:
its kind, its id and its path have to fit each other and the event's type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.events import API_PATH, StripeEvents
from django_stripe_gateway.gateways.stripe.paths import PATHS, kind_of
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.providers import LookedUp
from django_stripe_gateway.webhooks.stripe.variants import GONE, is_gone

THIN_PREFIX = "v1."
DELETED = ".deleted"
# These do not go when they end: their last state can be asked for.
STAY = frozenset({"subscription"})


def full_type(event_type: str) -> str:
    """Return as which type a thin event comes where it holds its object, empty if it comes as none."""
    return event_type.removeprefix(THIN_PREFIX) if event_type.startswith(THIN_PREFIX) else ""


def look_up(event: Event) -> LookedUp:
    """Ask for the object that a thin event names, unless what it says of it does not fit.

    Raises:
        ProviderError: Stripe refused or failed: the event is handled again later.
    """
    began, full = timezone.now(), full_type(event.type)
    if not event.object:
        return _of_whole_event(event, full, began)
    reason = _contradiction(full, event.object)
    if reason:
        return LookedUp({}, began, WebhookState.MISMATCHED, reason)
    if is_gone(event):
        return LookedUp({}, began, WebhookState.IGNORED, GONE)
    is_deletion = full.endswith(DELETED) and event.object["type"] not in STAY
    stripe = StripeEvents(stripe_account(event.variant))
    gone = {"id": event.object["id"], "object": event.object["type"], "deleted": True}
    found = _unless_missing(
        lambda: stripe.related_object(event.object, context=event.context, account_id=event.account_id), gone
    )
    if (found.get("id"), found.get("object")) != (event.object["id"], event.object["type"]):
        return LookedUp({}, began, WebhookState.MISMATCHED, "Stripe answers with another object than the event names")
    if (found.get("deleted") is True) != is_deletion and event.object["type"] not in STAY:
        if is_deletion:
            return LookedUp({}, began, WebhookState.MISMATCHED, "it says that the object is deleted, which is there")
        return LookedUp({}, began, WebhookState.IGNORED, "its object has been deleted since")
    return LookedUp(found, began)


def _of_whole_event(event: Event, full: str, began: datetime) -> LookedUp:
    """Return what the whole form of an event holds: an upcoming invoice is no object yet that could be named.

    The thin form names the whole one, as ``snapshot_event``, by which it is known here
    (https://docs.stripe.com/webhooks/migrate-snapshot-to-thin-events).
    """
    stripe = StripeEvents(stripe_account(event.variant))
    whole = _unless_missing(
        lambda: stripe.whole_event(event.id, context=event.context, account_id=event.account_id), {}
    )
    if not whole:
        return LookedUp({}, began, WebhookState.IGNORED, "it names no object")
    data = whole.get("data")
    found = data.get("object") if isinstance(data, Mapping) else None
    if (whole.get("id"), whole.get("type")) != (event.id, full) or not isinstance(found, Mapping):
        return LookedUp({}, began, WebhookState.MISMATCHED, "Stripe answers with another event than it names")
    return LookedUp(found, began)


def _unless_missing(ask: Callable[[], Mapping[str, Any]], missing: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what Stripe answers, or ``missing`` where it knows no such thing."""
    try:
        return ask()
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        if not error.is_missing:
            raise
        return missing


def _contradiction(full: str, related: Mapping[str, Any]) -> str:
    """Return what does not fit in what a thin event says of its object, empty if all does."""
    kind, object_id, url = related.get("type"), clean_id(related.get("id")), related.get("url")
    if not isinstance(kind, str) or not object_id or not isinstance(url, str):
        return "it names no object of Stripe's API"
    wanted = kind_of(full)
    if wanted and kind != wanted:
        return f"it names an object of another kind than {wanted}"
    if not wanted and (kind in PATHS or kind.rpartition(".")[2] not in full.split(".")):
        return "it names an object of another kind than its type says"
    if kind in PATHS:
        return "" if url == f"{PATHS[kind]}/{object_id}" else "it names an address that is not the object's"
    is_fitting = API_PATH.fullmatch(url) and url.rpartition("/")[2] == object_id
    return "" if is_fitting else "it names an address that is not the object's"
