"""Examples of the API of usage limits for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.api.openapi.errors import error_example
from django_stripe_gateway.api.openapi.operations import Examples

_MINUTES: dict[str, Any] = {
    "metric": "minutes",
    "limit": 180,
    "used": 42,
    "remaining": 138,
    "period": "day",
    "resets_at": "2026-11-03T00:00:00Z",
    "unlimited": False,
}

READ_LIMITS = Examples(
    answers={
        "Limits": {
            "plan": {"plan_id": 1, "slug": "free", "name": "Free"},
            "limits": [
                _MINUTES,
                dict.fromkeys(_MINUTES) | {"metric": "exports", "used": 7, "period": "lifetime", "unlimited": True},
            ],
        }
    }
)
RECORD_USE = Examples(
    request={"metric": "minutes", "quantity": 5},
    answers={"Limit": _MINUTES},
    errors={
        400: error_example("invalid_request_error", "unknown_metric", "No plan limits “minuets”.", field="metric"),
        429: error_example(
            "rate_limit_error", "limit_exceeded", "Your plan does not allow that many minutes now: 3 of 180 are left."
        ),
    },
)
