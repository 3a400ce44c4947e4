"""Describe the API for drf-spectacular where it is installed; without it, every function here does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rest_framework import serializers
from rest_framework.schemas import DefaultSchema
from rest_framework.schemas.inspectors import ViewInspector

from django_stripe_gateway.api.replaceable import serializer_class

try:
    from drf_spectacular.openapi import AutoSchema
    from drf_spectacular.utils import (
        OpenApiExample,
        OpenApiParameter,
        OpenApiResponse,
        extend_schema,
        extend_schema_field,
    )
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

T = TypeVar("T", bound=Callable[..., Any])

Example = Mapping[str, Any]


class ErrorSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The one shape of every error."""

    type = serializers.CharField(help_text="Kind of error, such as invalid_request_error, card_error, provider_error.")
    code = serializers.CharField(help_text="Stable machine-readable code.")
    detail = serializers.CharField(help_text="Sentence for people.")
    field = serializers.CharField(required=False, help_text="The input that is to blame, dotted when nested.")
    request_id = serializers.CharField(required=False, help_text="The provider's id of the failed request.")
    decline_code = serializers.CharField(required=False, help_text="Why the card was declined.")
    payment_id = serializers.IntegerField(required=False, help_text="The payment that was declined.")


# What is answered with each status: a description, and an error as it really looks.
ERRORS: Mapping[int, tuple[str, Example]] = {
    400: (
        "The input cannot be accepted.",
        {
            "type": "invalid_request_error",
            "code": "invalid_amount",
            "detail": "The amount must be greater than zero.",
            "field": "amount",
        },
    ),
    401: (
        "No credentials, or wrong ones.",
        {
            "type": "authentication_error",
            "code": "not_authenticated",
            "detail": "Authentication credentials were not provided.",
        },
    ),
    402: (
        "The payment method was declined; the payment can still be paid.",
        {
            "type": "card_error",
            "code": "card_declined",
            "detail": "Your card has insufficient funds.",
            "request_id": "req_Q4dpeoVZxIgEkq",
            "decline_code": "insufficient_funds",
            "payment_id": 42,
        },
    ),
    403: (
        "Not allowed, or a session without its CSRF token.",
        {
            "type": "permission_error",
            "code": "permission_denied",
            "detail": "You do not have permission to perform this action.",
        },
    ),
    404: (
        "There is no such object, or it is somebody else's.",
        {"type": "invalid_request_error", "code": "not_found", "detail": "Not found."},
    ),
    409: (
        "The state does not allow it, the same thing is being done at this moment (see Retry-After), or an "
        "Idempotency-Key came back with another request.",
        {
            "type": "invalid_request_error",
            "code": "wrong_state",
            "detail": "Only an authorised payment can be captured; this one is confirmed.",
        },
    ),
    429: (
        "Too many requests; see Retry-After.",
        {
            "type": "rate_limit_error",
            "code": "throttled",
            "detail": "Request was throttled. Expected available in 17 seconds.",
        },
    ),
    500: (
        "Something is wrong on the server; its log says what.",
        {"type": "configuration_error", "code": "not_configured", "detail": "The payment gateway is not configured."},
    ),
    501: (
        "The payment's gateway cannot do this.",
        {
            "type": "invalid_request_error",
            "code": "unsupported_by_gateway",
            "detail": "This gateway can only capture the whole payment.",
        },
    ),
    502: (
        "The provider failed or refused. Repeat the request with the same Idempotency-Key.",
        {
            "type": "provider_error",
            "code": "provider_unavailable",
            "detail": "Stripe failed. Try again.",
            "request_id": "req_Q4dpeoVZxIgEkq",
        },
    ),
    504: (
        "The provider did not answer in time. Repeat the request with the same Idempotency-Key.",
        {
            "type": "provider_error",
            "code": "provider_timeout",
            "detail": "Stripe did not answer in time. Try again.",
        },
    ),
}
READ_ERRORS = (401, 403, 404, 429)
WRITE_ERRORS = (400, 401, 403, 404, 409, 429, 500, 501, 502, 504)


if AVAILABLE:

    class GatewaySchema(AutoSchema):  # type: ignore[no-untyped-call,unused-ignore]
        """Shows the serializers that the settings put in place of ours."""

        def resolve_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
            """Return the component of the serializer that is in use."""
            default = serializer if isinstance(serializer, type) else type(serializer)
            replacement = serializer_class(default)
            if replacement is not default:
                serializer = replacement
            return super().resolve_serializer(serializer, direction, bypass_extensions)


def view_schema() -> ViewInspector:
    """Return the inspector for a view's ``schema``: drf-spectacular's, even if the host's own views use another."""
    inspector: ViewInspector = GatewaySchema() if AVAILABLE else DefaultSchema()
    return inspector


def field_schema(schema: Mapping[str, Any]) -> Callable[[T], T]:
    """Describe a serializer field."""
    if not AVAILABLE:
        return lambda field: field
    decorate: Callable[[T], T] = extend_schema_field(dict(schema))
    return decorate


def serializer_field_schema(
    serializer: type[serializers.BaseSerializer[Any]] | serializers.BaseSerializer[Any],
) -> Callable[[T], T]:
    """Describe a field that shows what ``serializer`` does."""
    if not AVAILABLE:
        return lambda field: field
    decorate: Callable[[T], T] = extend_schema_field(serializer)
    return decorate


def operation(
    operation_id: str,
    *,
    tag: str,
    summary: str,
    description: str = "",
    request: Any = None,
    request_example: Example | None = None,
    answer: Any = None,
    status: int = 200,
    examples: Mapping[str, Any] | None = None,
    errors: Sequence[int] = READ_ERRORS,
    error_examples: Mapping[int, Example] | None = None,
    parameters: Sequence[Any] = (),
    idempotent: bool = False,
    public: bool = False,
    redirect: str = "",
) -> Callable[[T], T]:
    """Describe a view's handler.

    Args:
        operation_id: unique name of the operation.
        answer: serializer of the answer with ``status``; ``examples`` are its examples by their summary.
        errors: the statuses of ``ERRORS`` that it can be answered with; ``error_examples`` are nearer to the point.
        idempotent: it accepts ``Idempotency-Key``.
        public: no credentials are needed.
        redirect: where a 302 leads.
    """
    if not AVAILABLE:
        return lambda handler: handler
    shown = [OpenApiExample(name, value, response_only=True) for name, value in (examples or {}).items()]
    responses: dict[int, Any] = {status: OpenApiResponse(answer, description=summary, examples=shown)}
    for error in errors:
        text, body = ERRORS[error]
        body = (error_examples or {}).get(error, body)
        example = OpenApiExample(str(body["code"]), body, response_only=True)
        responses[error] = OpenApiResponse(ErrorSerializer, description=text, examples=[example])
    if redirect:
        responses[302] = OpenApiResponse(description=redirect)
    headers = [_idempotency_parameter()] if idempotent else []
    asked = [OpenApiExample("Request", request_example, request_only=True)] if request_example is not None else []
    decorate: Callable[[T], T] = extend_schema(
        operation_id=operation_id,
        tags=[tag],
        summary=summary,
        description=description or summary,
        request=request,
        responses=responses,
        examples=asked,
        parameters=[*headers, *parameters],
        auth=[] if public else None,
    )
    return decorate


def path_parameter(name: str, description: str, kind: type = int) -> Any:
    """Describe a part of the path."""
    if not AVAILABLE:
        return None
    return OpenApiParameter(name, kind, OpenApiParameter.PATH, description=description)


def query_parameter(name: str, description: str, *, required: bool = False) -> Any:
    """Describe a query parameter."""
    if not AVAILABLE:
        return None
    return OpenApiParameter(name, str, OpenApiParameter.QUERY, description=description, required=required)


def _idempotency_parameter() -> Any:
    return OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["8f14e45f-ceea-467f-a9f0-1c3f2b0d7e52"]},
        OpenApiParameter.HEADER,
        description=(
            "Any unique text, such as a UUID. A repeat with the same key and body gets the first answer again, "
            "with the header Idempotent-Replayed."
        ),
    )
