"""Fields for money, metadata, and objects that a host can show in its own way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from django_stripe_gateway.api.base import SerializerClass, serializer_in_use
from django_stripe_gateway.api.openapi.optional import field_schema
from django_stripe_gateway.exceptions import InvalidAmount, UnsupportedCurrency
from django_stripe_gateway.money import format_amount, plain_text

# Long enough for any amount with any number of zeros that somebody means.
AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?", re.ASCII)
MAX_KEYS = 50
MAX_KEY_LENGTH = 40
MAX_VALUE_LENGTH = 500
MAX_INTEGER = 2**53
# A provider's id of an object.
OBJECT_ID = r"\A[A-Za-z0-9_]{1,255}\Z"
# Stands for the moment of the request.
NOW = "now"
NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

AMOUNT_SCHEMA = {
    "type": "string",
    "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
    "description": "In the currency's own units and precision; negative for a credit.",
}
ASKED_AMOUNT_SCHEMA = {
    "oneOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}, {"type": "number", "exclusiveMinimum": 0}],
    "description": "In the currency's own units; a string is the better choice.",
}
METADATA_SCHEMA = {
    "type": "object",
    "maxProperties": MAX_KEYS,
    "additionalProperties": {
        "oneOf": [{"type": "string", "maxLength": MAX_VALUE_LENGTH}, {"type": "number"}, {"type": "boolean"}]
    },
    "description": "Flat; keys of up to 40 characters.",
}


@field_schema({"oneOf": [{"type": "string", "format": "date-time"}, {"type": "string", "enum": [NOW]}]})
class TrialEndField(serializers.DateTimeField):
    """A moment, or the word that stands for this one."""

    def to_internal_value(self, value: Any) -> Any:
        """Return the moment, or the word."""
        return NOW if value == NOW else super().to_internal_value(value)


@field_schema(ASKED_AMOUNT_SCHEMA)
class AmountField(serializers.Field):  # type: ignore[type-arg]
    """An amount that a caller asks for: a decimal string, or a JSON number. Its currency decides about the rest."""

    default_error_messages = {"invalid": _('Write the amount as a decimal string such as "10.00".')}

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the amount exactly as it was written."""
        # A JSON number with a point is a Decimal already; true, exponents and the like do not look like an amount.
        text = data.strip() if isinstance(data, str) else str(data)
        if not isinstance(data, str | int | Decimal) or not AMOUNT.fullmatch(text):
            self.fail("invalid")
        return Decimal(text)

    def to_representation(self, value: Decimal) -> str:
        """Return the amount as a plain decimal string."""
        return f"{value:f}"


@field_schema(AMOUNT_SCHEMA)
class FormattedAmountField(serializers.CharField):
    """An amount in the precision of its object's currency, or of the context's where the object has none."""

    def get_attribute(self, instance: Any) -> str:
        """Return the amount as the API writes it."""
        amount = Decimal(super().get_attribute(instance))  # type: ignore[arg-type]
        currency = instance.currency if hasattr(instance, "currency") else self.context["currency"]
        try:
            return format_amount(amount, currency)
        except UnsupportedCurrency:
            # A row that the host wrote itself is still shown.
            return f"{amount:f}"
        except InvalidAmount:
            # A unit of a measured use may be finer than its currency.
            return plain_text(amount)


@field_schema(METADATA_SCHEMA)
class MetadataField(serializers.JSONField):
    """A small flat object that the host keeps with a payment."""

    default_error_messages = {
        "not_an_object": _("Metadata is an object."),
        "too_many_keys": _("Metadata has at most 50 keys."),
        "invalid_key": _("A key of metadata has 1 to 40 characters."),
        "invalid_value": _("A value of metadata is a string of at most 500 characters, a number or a boolean."),
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the metadata with plain JSON values."""
        if not isinstance(data, Mapping):
            self.fail("not_an_object")
        if len(data) > MAX_KEYS:
            self.fail("too_many_keys")
        for key in data:
            if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_LENGTH or NOT_TEXT.search(key):
                self.fail("invalid_key")
        return {key: self._value(value) for key, value in data.items()}

    def _value(self, value: Any) -> str | int | float | bool:
        match value:
            case bool():
                return value
            case str() if len(value) <= MAX_VALUE_LENGTH and not NOT_TEXT.search(value):
                return value
            case int() if -MAX_INTEGER <= value <= MAX_INTEGER:
                return value
            # Compared exactly: arithmetic, such as abs(), overflows with the exponents that a body can hold.
            case Decimal() if -MAX_INTEGER <= value <= MAX_INTEGER:
                # A number of the host's, not money of ours: JSON columns have nothing else for it.
                return float(value)
        return self.fail("invalid_value")


class ReplaceableField(serializers.Field):  # type: ignore[type-arg]
    """An object, or many, shown by a serializer that the host can replace; to be extended for each."""

    serializer: ClassVar[SerializerClass]
    many: ClassVar[bool] = False

    def to_representation(self, value: Any) -> Any:
        """Return the object as the serializer in use shows it."""
        shown = list(value) if self.many else value
        return serializer_in_use(self.serializer)(shown, many=self.many, context=self.context).data
