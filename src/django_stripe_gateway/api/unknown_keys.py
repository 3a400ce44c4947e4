"""Keys of a body that nobody reads: refused, so that what is misspelt is not taken for granted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.serializers import BaseSerializer, ListField, ListSerializer


def check_keys(serializer: BaseSerializer[Any], body: Any) -> None:
    """Refuse a body with keys that the serializer does not know.

    Raises:
        ValidationError: it has some (``unknown_field``).
    """
    unknown = _first_unknown(serializer, body)
    if unknown is not None:
        detail = _("There is no such field here. The fields are: %s.") % (", ".join(_known(serializer)) or "-")
        raise ValidationError({unknown: [ErrorDetail(detail, "unknown_field")]})


def check_query(query: Mapping[str, Any], known: set[str]) -> None:
    """Refuse query parameters that are not ``known``.

    Raises:
        ValidationError: there are some (``unknown_parameter``).
    """
    for name in query:
        if name not in known:
            detail = _("There is no such parameter here. The parameters are: %s.") % ", ".join(sorted(known))
            raise ValidationError({str(name): [ErrorDetail(detail, "unknown_parameter")]})


def _known(serializer: Any) -> list[str]:
    return [name for name, field in getattr(serializer, "fields", {}).items() if not field.read_only]


def _first_unknown(field: Any, value: Any) -> str | None:
    """Return the path of the first key that is not known, ``None`` if all are."""
    if isinstance(field, ListField | ListSerializer):
        inside = enumerate(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
        found = ((f"{index}", _first_unknown(field.child, item)) for index, item in inside)
        return next((f"{index}.{path}" for index, path in found if path is not None), None)
    if not isinstance(field, BaseSerializer) or not isinstance(value, Mapping):
        return None
    known = _known(field)
    for key, item in value.items():
        if key not in known:
            return str(key)
        path = _first_unknown(field.fields[key], item)  # type: ignore[attr-defined] # a Serializer
        if path is not None:
            return f"{key}.{path}"
    return None
