"""The errors of an operation: which statuses it can be answered with, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS


class ErrorSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The one shape of every error."""

    type = serializers.CharField(help_text="Kind of error, such as invalid_request_error, card_error, provider_error.")
    code = serializers.CharField(help_text="Stable machine-readable code.")
    detail = serializers.CharField(help_text="Sentence for people.")
    field = serializers.CharField(required=False, help_text="The input that is to blame, dotted when nested.")
    request_id = serializers.CharField(required=False, help_text="The provider's id of the failed request.")
    decline_code = serializers.CharField(required=False, help_text="Why the card was declined.")
    payment_id = serializers.IntegerField(required=False, help_text="The payment that was declined.")


def error_example(kind: str, code: str, detail: str, **further: Any) -> Mapping[str, Any]:
    """Return an error as it is answered."""
    return {"type": kind, "code": code, "detail": detail, **further}


_INVALID, _PROVIDER = "invalid_request_error", "provider_error"
_REQUEST_ID = "req_Q4dpeoVZxIgEkq"
# What is answered with each status: a description, and an error as it really looks.
ERRORS: Mapping[int, tuple[str, Mapping[str, Any]]] = {
    400: (
        "The input cannot be accepted.",
        error_example(_INVALID, "invalid_amount", "The amount must be greater than zero.", field="amount"),
    ),
    401: (
        "No credentials, or wrong ones.",
        error_example("authentication_error", "not_authenticated", "Authentication credentials were not provided."),
    ),
    402: (
        "The payment method was declined; the payment can still be paid.",
        error_example(
            "card_error",
            "card_declined",
            "Your card has insufficient funds.",
            **{"request_id": _REQUEST_ID, "decline_code": "insufficient_funds", "payment_id": 42},
        ),
    ),
    403: (
        "Not allowed, or a session without its CSRF token.",
        error_example("permission_error", "permission_denied", "You do not have permission to perform this action."),
    ),
    404: ("There is no such object, or it is somebody else's.", error_example(_INVALID, "not_found", "Not found.")),
    409: (
        "The state does not allow it, the same thing is being done at this moment (see Retry-After), or an "
        "Idempotency-Key came back with another request.",
        error_example(_INVALID, "wrong_state", "Only an authorised payment can be captured; this one is confirmed."),
    ),
    429: (
        "Too many requests; see Retry-After.",
        error_example("rate_limit_error", "throttled", "Request was throttled. Expected available in 17 seconds."),
    ),
    500: (
        "Something is wrong on the server; its log says what.",
        error_example("configuration_error", "not_configured", "The payment gateway is not configured."),
    ),
    501: (
        "The payment's gateway cannot do this.",
        error_example(_INVALID, "unsupported_by_gateway", "This gateway can only capture the whole payment."),
    ),
    502: (
        "The provider failed or refused. Repeat the request with the same Idempotency-Key.",
        error_example(_PROVIDER, "provider_unavailable", "Stripe failed. Try again.", request_id=_REQUEST_ID),
    ),
    504: (
        "The provider did not answer in time. Repeat the request with the same Idempotency-Key.",
        error_example(_PROVIDER, "provider_timeout", "Stripe did not answer in time. Try again."),
    ),
}
PROVIDER_ERRORS = (500, 501, 502, 504)


def error_statuses(view: Any, method: str, declared: tuple[int, ...], *, has_path: bool) -> list[int]:
    """Return the error statuses of an operation in ascending order.

    Args:
        view: its ``is_public``, ``calls_provider`` and paging say what can go wrong.
        declared: what the operation names itself.
        has_path: its address names an object.
    """
    following: tuple[tuple[bool, tuple[int, ...]], ...] = (
        (True, (429,)),
        (not view.is_public, (401, 403)),
        (has_path, (404,)),
        (method not in SAFE_METHODS, (400, 409)),
        (hasattr(getattr(view, "pagination_class", None), "cursor_query_param"), (400,)),
        (view.calls_provider, PROVIDER_ERRORS),
    )
    return sorted({*declared, *(status for applies, statuses in following if applies for status in statuses)})
