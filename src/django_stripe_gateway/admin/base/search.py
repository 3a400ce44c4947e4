"""What staff type into the search field: an id of the provider's, or a piece of an owner's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from django_stripe_gateway.admin.base.lists import AdminBase


class IdSearchMixin(AdminBase):
    """Finds an id of the provider's by its index, without scanning texts, and an owner by name.

    A path to an owner in ``search_fields`` ("customer__owner") stands for the fields by which people look for one.
    """

    #: Prefix of an id → fields that may hold it.
    id_fields: Mapping[str, Sequence[str]] = {}

    def match_id(self, term: str) -> Q | None:
        """Return the condition for a term that names one object, ``None`` for any other text."""
        for prefix, names in self.id_fields.items():
            if term.startswith(prefix):
                return reduce(or_, (Q(**{name: term}) for name in names))
        return None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find an id exactly; search the rest as text."""
        exact = self.match_id(search_term.strip())
        if exact is not None:
            return queryset.filter(exact), False
        return super().get_search_results(request, queryset, search_term)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return what is searched for a text, with the owner's own fields."""
        return [lookup for field in self.search_fields for lookup in self._lookups(field)]

    def _lookups(self, field: str) -> Iterable[str]:
        is_owner = field.split("__")[-1] == "owner"
        owner = get_fields_from_path(self.model, field)[-1].related_model if is_owner else None
        return (field,) if owner is None else (f"{field}__{name}" for name in owner_fields(owner))


def owner_fields(model: Any) -> tuple[str, ...]:
    """Return the fields by which people look for an owner: a user's names, or the ``name`` of another model."""
    known = {field.name for field in model._meta.fields}
    if model is not get_user_model():
        return ("name",) if "name" in known else ()
    names = [model.USERNAME_FIELD]
    email = model.get_email_field_name() if hasattr(model, "get_email_field_name") else ""
    if email and email not in names and email in known:
        names.append(email)
    return tuple(names)
