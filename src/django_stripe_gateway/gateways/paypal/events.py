"""PayPal's envelope of an event in the form that the inbox reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_envelope(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return id, type, time and resource of an event under the names that Stripe gives them.

    The resource is left as PayPal sent it. A field of the wrong type is left out, so that the reader's own checks
    refuse what is no event.
    """
    resource = data.get("resource")
    return {
        "id": data.get("id"),
        "type": data.get("event_type"),
        "api_version": data.get("resource_version") or data.get("event_version"),
        "created": data.get("create_time"),
        "data": {"object": resource if isinstance(resource, dict) else None},
    }
