"""Cursor paging: pages stay right while rows are added, and cost the same however deep."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import is_key
from django_stripe_gateway.conf import gateway_settings

MAX_PAGE_SIZE = 100


class NewestFirst(CursorPagination):
    """Pages of ``{next, previous, results}``, the newest row first."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    #: The schema and the meaning of each query parameter that it reads.
    query: ClassVar[dict[str, tuple[dict[str, Any], str]]] = {
        "cursor": ({"type": "string"}, "Of `next` or `previous`; the first page without one."),
        "page_size": ({"type": "integer", "minimum": 1}, f"Rows of a page; more than {MAX_PAGE_SIZE} count as that."),
    }

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
            sentence = _("A page size is a whole number from 1 on; more than 100 count as 100.")
            raise ValidationError({self.page_size_query_param: sentence})
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
        link = {"type": ["string", "null"], "format": "uri"}
        address = "https://shop.example.com/api/v1/payments/?cursor="
        properties = {
            "next": link | {"example": f"{address}cD00Mg%3D%3D"},
            "previous": link | {"example": f"{address}cj0xJnA9OTk%3D"},
            "results": schema,
        }
        return {"type": "object", "required": list(properties), "properties": properties}


class OldestFirst(NewestFirst):
    """Pages of ``{next, previous, results}``, the oldest row first."""

    ordering = "pk"


class OnlyPage(BasePagination):
    """The one page of what a provider keeps: as any other, with nothing before or behind it."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return all of it."""
        return list(queryset)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page."""
        return Response({"next": None, "previous": None, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the shape of the page for the OpenAPI document."""
        page = NewestFirst().get_paginated_response_schema(schema)
        page["properties"] |= {name: {"type": "null", "example": None} for name in ("next", "previous")}
        return page
