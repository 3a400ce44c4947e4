"""What Stripe writes on its events: whole ones, and thin ones that only name their object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.webhooks.providers import Envelope


def stripe_envelope(data: Mapping[str, Any]) -> Envelope:
    """Return what is written on an event; of a thin one the object is its ``related_object``."""
    return Envelope(
        id=data.get("id"),
        type=data.get("type"),
        object=_object(data),
        created=data.get("created"),
        livemode=data.get("livemode"),
        api_version=data.get("api_version"),
        context=data.get("context"),
    )


def _object(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    inner = data.get("data")
    if isinstance(inner, Mapping) and isinstance(inner.get("object"), Mapping):
        # Stripe always names the kind of object; where a sender of tests does not, the event's type does.
        return {"object": _kind(str(data.get("type"))), **inner["object"]}
    # Thin events (API v2) name their object and carry nothing of it.
    related = data.get("related_object")
    if related is not None or str(data.get("object", "")).startswith("v2."):
        return related if isinstance(related, Mapping) else {}
    return None


def _kind(event_type: str) -> str:
    """Return the kind of object that events of a type are about: "charge.dispute.created" → "dispute"."""
    prefix = event_type.rpartition(".")[0]
    return prefix.removeprefix("charge.") or prefix
