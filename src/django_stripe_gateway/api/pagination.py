"""Cursor paging: pages stay right while rows are added, and cost the same however deep."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from django_stripe_gateway.conf import gateway_settings

MAX_PAGE_SIZE = 100


class NewestFirst(CursorPagination):
    """Pages of ``{next, previous, results}``, the newest row first."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any]:
        """Return the rows of the page that the request asks for."""
        self.model = queryset.model
        return super().paginate_queryset(queryset, request, view) or []

    def get_page_size(self, request: Request) -> int:
        """Return how many rows the page may hold."""
        asked = request.query_params.get(self.page_size_query_param or "")
        if asked is None:
            return gateway_settings.page_size
        if not (asked.isascii() and asked.isdigit() and len(asked) < 10 and int(asked) > 0):
            raise ValidationError({self.page_size_query_param: _("A page size is a whole number from 1 to 100.")})
        return min(int(asked), MAX_PAGE_SIZE)

    def decode_cursor(self, request: Request) -> Any:
        """Return the cursor of the request; a forged one is bad input."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            is_valid = False
        else:
            is_valid = cursor is None or cursor.position is None or is_key(self.model, str(cursor.position))
        if not is_valid:
            raise ValidationError({self.cursor_query_param: _("The cursor is not valid.")})
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the shape of a page for the OpenAPI document."""
        link = "https://shop.example.com/api/v1/payments/?cursor=%s"
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {"type": ["string", "null"], "format": "uri", "example": link % "cD00Mg%3D%3D"},
                "previous": {"type": ["string", "null"], "format": "uri", "example": link % "cj0xJnA9OTk%3D"},
                "results": schema,
            },
        }


class OldestFirst(NewestFirst):
    """Pages of ``{next, previous, results}``, the oldest row first."""

    ordering = "pk"


def is_key(model: type[Model], text: str) -> bool:
    """Return whether ``text`` is a primary key of ``model`` exactly as we write it."""
    field = model._meta.pk
    try:
        return str(field.to_python(text)) == text
    except DjangoValidationError:
        return False
