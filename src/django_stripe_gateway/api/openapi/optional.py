"""What views and fields take from drf-spectacular where it is installed; without it the API works all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rest_framework.schemas import DefaultSchema
from rest_framework.schemas.inspectors import ViewInspector
from rest_framework.serializers import BaseSerializer

try:
    from drf_spectacular.utils import extend_schema_field
except ImportError:
    AVAILABLE = False
else:
    from django_stripe_gateway.api.openapi.inspector import GatewaySchema

    AVAILABLE = True

Target = TypeVar("Target", bound=Callable[..., Any])


def view_schema() -> ViewInspector:
    """Return the inspector for a view's ``schema``: drf-spectacular's, even if the host's own views use another."""
    inspector: ViewInspector = GatewaySchema() if AVAILABLE else DefaultSchema()
    return inspector


def field_schema(
    schema: Mapping[str, Any] | type[BaseSerializer[Any]] | BaseSerializer[Any],
) -> Callable[[Target], Target]:
    """Describe a serializer's field, or the method of one, by a schema or by the serializer that it shows."""
    if not AVAILABLE:
        return lambda target: target
    decorate: Callable[[Target], Target] = extend_schema_field(dict(schema) if isinstance(schema, Mapping) else schema)
    return decorate
