"""Examples of the API of usage limits for its OpenAPI document."""

from __future__ import annotations

from typing import Any

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
                {
                    "metric": "exports",
                    "limit": None,
                    "used": 7,
                    "remaining": None,
                    "period": "lifetime",
                    "resets_at": None,
                    "unlimited": True,
                },
            ],
        }
    }
)
RECORD_USE = Examples(
    request={"metric": "minutes", "quantity": 5},
    answers={"Limit": _MINUTES},
    errors={
        400: {
            "type": "invalid_request_error",
            "code": "unknown_metric",
            "detail": "No plan limits “minuets”.",
            "field": "metric",
        },
        429: {
            "type": "rate_limit_error",
            "code": "limit_exceeded",
            "detail": "Your plan does not allow that many minutes now: 3 of 180 are left.",
        },
    },
)
