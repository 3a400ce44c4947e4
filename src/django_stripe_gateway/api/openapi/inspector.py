"""Write an operation from its view, its handler and its serializers; imported only where drf-spectacular is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import uritemplate
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer

from django_stripe_gateway.api.openapi.errors import ERRORS, ErrorSerializer, error_statuses
from django_stripe_gateway.api.openapi.operations import operation, summary_and_description
from django_stripe_gateway.conf import gateway_settings

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["8f14e45f-ceea-467f-a9f0-1c3f2b0d7e52"]},
    OpenApiParameter.HEADER,
    description=(
        "Any unique text, such as a UUID. A repeat with the same key and body gets the first answer again, "
        "with the header Idempotent-Replayed."
    ),
)

GUEST_TOKEN = OpenApiParameter(
    "Guest-Token",
    str,
    OpenApiParameter.HEADER,
    description="Of a payment that was made without signing in: the guest_token of the answer to its creation.",
)


class GatewaySchema(AutoSchema):  # type: ignore[no-untyped-call,unused-ignore]
    """Shows the operations that handlers declare, with the serializers that the settings put in place of ours.

    A handler of a host's own subclass that declares none is shown as drf-spectacular shows any.
    """

    #: One of this package's views, or of a subclass of those.
    view: Any

    @property
    def handler(self) -> Any:
        """The method of the view that answers."""
        return getattr(self.view, self.method.lower())

    @property
    def declared(self) -> operation | None:
        """What the handler declares."""
        declared: operation | None = getattr(self.handler, "operation", None)
        return declared

    def get_operation_id(self) -> str:
        """Return the name that the view puts in place of an inherited one, or the declared one."""
        if self.declared is None:
            return str(super().get_operation_id())
        return str(self.view.operation_id or self.declared.operation_id)

    def get_tags(self) -> list[str]:
        """Return the view's tag."""
        return [self.view.tag] if self.view.tag else list(super().get_tags())

    def get_summary(self) -> str:
        """Return the first sentence of the handler's docstring."""
        return summary_and_description(self.handler)[0]

    def get_description(self) -> str:  # type: ignore[override]
        """Return the rest of the handler's docstring, or what there is of it."""
        summary, description = summary_and_description(self.handler)
        return description or summary

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the ways to say who is asking."""
        if self.view.is_public:
            return []
        return [*super().get_auth(), *([{}] if self._is_open_to_guests else [])]

    @property
    def _is_open_to_guests(self) -> bool:
        return bool(self.view.takes_guests and gateway_settings.guest_payments)

    def get_override_parameters(self) -> list[Any]:
        """Return the header, the parts of the path and the query."""
        parameters: list[Any] = [*super().get_override_parameters(), *self._path_parameters()]
        if getattr(self.handler, "takes_idempotency_key", False):
            parameters.append(IDEMPOTENCY_KEY)
        if self._is_open_to_guests and uritemplate.variables(self.path):
            parameters.append(GUEST_TOKEN)
        if self.declared is not None and self.declared.query is not None:
            parameters.append(self.declared.query)
        if self.method == "GET":
            for name, (schema, meaning) in getattr(getattr(self.view, "pagination_class", None), "query", {}).items():
                parameters.append(OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=meaning))
        return parameters

    def get_request_serializer(self) -> Any:
        """Return the serializer of the body."""
        return super().get_request_serializer() if self.declared is None else self.declared.request

    def get_examples(self) -> list[OpenApiExample]:
        """Return the example of a body; the answers have theirs."""
        request = self.declared.examples.request if self.declared is not None else None
        return [] if request is None else [OpenApiExample("Request", request, request_only=True)]

    def get_response_serializers(self) -> Any:
        """Return all answers by their status, the errors with them."""
        declared = self.declared
        if declared is None:
            return super().get_response_serializers()
        answer: Any = declared.answer
        if isinstance(answer, tuple):
            name = "Or".join(serializer.__name__.removesuffix("Serializer") for serializer in answer)
            answer = PolymorphicProxySerializer(name, list(answer), resource_type_field_name=None)
        answers = {declared.status: _answer(answer, self.get_summary(), declared.examples.answers)}
        has_path = bool(uritemplate.variables(self.path))
        for status in error_statuses(self.view, self.method, declared.errors, has_path=has_path):
            meaning, usual = ERRORS[status]
            body = declared.examples.errors.get(status, usual)
            answers[status] = _answer(ErrorSerializer, meaning, {str(body["code"]): body})
        if declared.redirect:
            answers[302] = OpenApiResponse(description=declared.redirect)
        return answers

    def resolve_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        """Return the component of the serializer that is in use."""
        default = serializer if isinstance(serializer, type) else type(serializer)
        replacement = self.view.serializer_in_use(default)
        if replacement is not default:
            serializer = replacement
        return super().resolve_serializer(serializer, direction, bypass_extensions)

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        """Return the schema of a body; one that is sent may have no other keys."""
        schema = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call,unused-ignore]
        if direction == "request" and isinstance(schema, dict) and schema.get("type") == "object":
            schema["additionalProperties"] = False
        return schema

    def _path_parameters(self) -> Iterator[OpenApiParameter]:
        """Yield the parts of the path as the view's serializer describes the fields of the same names."""
        if self.view.path_serializer is None:
            return
        serializer = self.view.serializer_in_use(self.view.path_serializer)()
        for name in uritemplate.variables(self.path):
            schema = self._map_serializer_field(serializer.fields[name], "request")  # type: ignore[no-untyped-call]
            description = schema.pop("description", "")
            yield OpenApiParameter(name, schema, OpenApiParameter.PATH, description=description)


def _answer(serializer: Any, meaning: str, examples: Any) -> OpenApiResponse:
    shown = [OpenApiExample(name, value, response_only=True) for name, value in examples.items()]
    return OpenApiResponse(serializer, description=meaning, examples=shown)
