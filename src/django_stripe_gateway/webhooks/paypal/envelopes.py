"""What PayPal writes on its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.webhooks.providers import Envelope


def paypal_envelope(data: Mapping[str, Any]) -> Envelope:
    """Return what is written on an event; its resource is left as PayPal sent it."""
    return Envelope(
        id=data.get("id"),
        type=data.get("event_type"),
        object=data.get("resource"),
        created=data.get("create_time"),
        api_version=data.get("resource_version") or data.get("event_version"),
    )
