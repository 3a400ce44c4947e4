"""What a view's handler declares of itself for the OpenAPI document; plain data, whether or not anybody reads it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from rest_framework.serializers import BaseSerializer

Handler = TypeVar("Handler", bound=Callable[..., Any])
SerializerType = type[BaseSerializer[Any]]


@dataclass(frozen=True, slots=True)
class Examples:
    """A request, answers by their summary, and errors by status where the usual ones are not to the point."""

    request: Mapping[str, Any] | None = None
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    errors: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class operation:
    """Declare a handler as an operation of the API; its docstring is the operation's summary and description.

    Args:
        operation_id: unique name of the operation.
        request: serializer of the body.
        answer: serializer of the answer with ``status``; with ``many`` for a list, several where it is one of them.
        query: serializer of the query parameters.
        errors: statuses besides those that follow from the view; see ``openapi.errors.error_statuses``.
        redirect: where a 302 leads.
    """

    operation_id: str
    _: KW_ONLY
    request: SerializerType | None = None
    answer: SerializerType | BaseSerializer[Any] | tuple[SerializerType, ...] | None = None
    status: int = 200
    query: SerializerType | None = None
    errors: tuple[int, ...] = ()
    redirect: str = ""
    examples: Examples = Examples()

    def __call__(self, handler: Handler) -> Handler:
        handler.operation = self  # type: ignore[attr-defined]
        return handler


def summary_and_description(handler: Callable[..., Any]) -> tuple[str, str]:
    """Return the first sentence of the handler's docstring without its full stop, and what follows it."""
    first, _, rest = (inspect.getdoc(handler) or "").partition("\n\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in rest.split("\n\n")]
    return " ".join(first.split()).removesuffix("."), "\n\n".join(paragraphs)
