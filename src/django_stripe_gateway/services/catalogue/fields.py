"""Strict fields for a catalogue file: DRF's own would take "yes" for true, "5" for a number and 5 for a text.

Their sentences go on where the name of the key ends: "must be a list, not {}".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings

MAX_SMALL = 32_767
NOT_A_MAPPING = "must be a mapping of keys to values"


class TypedField(serializers.Field[Any, Any, Any, Any]):
    """A field that takes values of its kinds alone."""

    kinds: ClassVar[tuple[type, ...]]
    kind_name: ClassVar[str]
    default_error_messages = {
        "required": "is missing",
        "blank": "is empty",
        "max_length": "has more than {max_length} characters",
    }

    def run_validation(self, data: Any = empty) -> Any:
        """Return the value.

        Raises:
            ValidationError: it is of another kind, or DRF's field refuses it.
        """
        is_left_out = data is empty or (data is None and self.allow_null)
        # Python takes true for 1.
        is_right = isinstance(data, self.kinds) and (bool in self.kinds or not isinstance(data, bool))
        if not is_left_out and not is_right:
            or_null = " or null" if self.allow_null else ""
            raise serializers.ValidationError(f"must be {self.kind_name}{or_null}, not {data!r}")
        return super().run_validation(data)


class TextField(TypedField, serializers.CharField):
    """A text without the space around it."""

    kinds = (str,)
    kind_name = "a text"


class NameField(TypedField, serializers.SlugField):
    """A text of letters, digits, hyphens and underscores."""

    kinds, kind_name = TextField.kinds, TextField.kind_name
    default_error_messages = {"invalid": "may have letters, digits, hyphens and underscores only, not %(value)r"}


class FlagField(TypedField, serializers.BooleanField):
    """True or false."""

    kinds = (bool,)
    kind_name = "true or false"


class WholeNumberField(TypedField, serializers.IntegerField):
    """A whole number from ``min_value`` to ``max_value``."""

    kinds = (int,)
    kind_name = "a whole number"

    def __init__(self, *, min_value: int, max_value: int = MAX_SMALL, **kwargs: Any) -> None:
        """Say both ends whichever of them is passed."""
        sentence = f"must be from {min_value} to {max_value}, not %(value)s"
        messages: dict[str, Any] = {"min_value": sentence, "max_value": sentence}
        super().__init__(min_value=min_value, max_value=max_value, error_messages=messages, **kwargs)


class WordField(TypedField, serializers.ChoiceField):
    """One of some words."""

    kinds, kind_name = TextField.kinds, TextField.kind_name
    default_error_messages = {"invalid_choice": "must be one of {choices}, not {input!r}"}

    def fail(self, key: str, **kwargs: Any) -> Any:
        """Name the words."""
        super().fail(key, choices=", ".join(map(str, self.choices)), **kwargs)


class NumberField(TypedField):
    """A number exactly as it was written, or a text that is one."""

    kinds = (int, Decimal, str)
    kind_name = "a number, such as 9.99"

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the number."""
        try:
            return Decimal(data)
        except InvalidOperation:
            raise serializers.ValidationError(f"must be {self.kind_name}, not {data!r}") from None


class EntriesField(TypedField, serializers.ListField):
    """A list of entries; the errors of one stand under what it is called."""

    kinds = (list,)
    kind_name = "a list"
    child: EntrySerializer

    def to_internal_value(self, data: list[Any]) -> list[Any]:
        """Return the entries as their serializer reads them."""
        entries, errors = [], {}
        for index, entry in enumerate(data):
            try:
                entries.append(self.child.run_validation(entry))
            except serializers.ValidationError as error:
                errors[self._label(index, entry)] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return entries

    def _label(self, index: int, entry: Any) -> str:
        label = f"{self.field_name}[{index}]"
        known = entry.get(self.child.named_by) if isinstance(entry, Mapping) else None
        return f"{label} ({known})" if isinstance(known, str | int | Decimal) else label


class EntrySerializer(serializers.Serializer[Any]):
    """A mapping of known keys; others are refused."""

    #: The key that tells entries of one list apart, for people.
    named_by: ClassVar[str] = ""
    default_error_messages = {"invalid": NOT_A_MAPPING, "null": NOT_A_MAPPING}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the values, or say all that is wrong with them at once."""
        values: dict[str, Any] = {}
        errors: Any = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(data, Mapping):
                # There are no keys to look at.
                raise
            errors = error.detail
        known = ", ".join(self.fields)
        unknown = [f"unknown key {str(name)!r}; there are {known}" for name in data if name not in self.fields]
        if unknown:
            errors[api_settings.NON_FIELD_ERRORS_KEY] = unknown
        if errors:
            raise serializers.ValidationError(errors)
        return values
