"""The words and examples of usage limits in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.api.schema import operation
from django_stripe_gateway.api.subscriptions.usage_serializers import (
    LimitsSerializer,
    LimitStateSerializer,
    UseSerializer,
)

TAG = "subscriptions"
MINUTES: dict[str, Any] = {
    "metric": "minutes",
    "limit": 180,
    "used": 42,
    "remaining": 138,
    "period": "day",
    "resets_at": "2026-11-03T00:00:00Z",
    "unlimited": False,
}
EXPORTS: dict[str, Any] = {
    "metric": "exports",
    "limit": None,
    "used": 7,
    "remaining": None,
    "period": "lifetime",
    "resets_at": None,
    "unlimited": True,
}
SPENT = {
    "type": "rate_limit_error",
    "code": "limit_exceeded",
    "detail": "Your plan does not allow that many minutes now: 3 of 180 are left.",
}
UNKNOWN = {
    "type": "invalid_request_error",
    "code": "unknown_metric",
    "detail": "No plan limits “minuets”.",
    "field": "metric",
}

read_limits = operation(
    "subscriptions_limits",
    tag=TAG,
    summary="Show what your plan allows today, and what is left of it",
    answer=LimitsSerializer,
    examples={
        "Limits": {
            "plan": {"plan_id": 1, "slug": "free", "name": "Free"},
            "limits": [MINUTES, EXPORTS],
        }
    },
    errors=(401, 403, 429),
)
record_use = operation(
    "subscriptions_usage",
    tag=TAG,
    summary="Use some of what your plan allows",
    description="Refused with 429 once the limit is spent; Retry-After says when it starts anew, if it ever does.",
    request=UseSerializer,
    request_example={"metric": "minutes", "quantity": 5},
    answer=LimitStateSerializer,
    status=201,
    examples={"Limit": MINUTES},
    errors=(400, 401, 403, 409, 429),
    error_examples={400: UNKNOWN, 429: SPENT},
    idempotent=True,
)
