"""Read the fields of Stripe's objects, and refuse what is missing or of another type.

Input is plain ``dict``: what ``json.loads`` made of a webhook's body, or ``plain()`` of an answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from django_stripe_gateway.exceptions import GatewayError, ProviderError
from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS, from_minor_units

Object = Mapping[str, Any]
Value = TypeVar("Value")

AMOUNT_LIMIT = Decimal(10) ** (MAX_DIGITS - DECIMAL_PLACES)
COUNT_LIMIT = 2**31
# What reading an object trips over when a field is missing or of the wrong type.
READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def plain(answer: Any) -> dict[str, Any]:
    """Return one of the SDK's objects as dicts, lists and JSON's own scalars, all the way down.

    In stripe 13 and 14 they are dicts whose ``to_dict()`` warns and is shallow; later they are no dicts, and stripe 16
    makes Decimals of some numbers.

    Raises:
        ProviderError: it is no object.
    """
    value = _plain_value(answer)
    if not isinstance(value, dict):
        raise ProviderError("Stripe sent something that is not an object.", code="malformed_object")
    return value


def _plain_value(value: Any) -> Any:
    if not isinstance(value, Mapping) and hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {str(name): _plain_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else str(value)
    return value


def object_id(value: Any) -> str:
    """Return the id of ``value``: an id, or the expanded object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return optional_text(value)


def reads(what: str) -> Callable[[Callable[[Object], Value]], Callable[[Object], Value]]:
    """Let a function that reads an object raise ``ProviderError`` for one that is half-formed; see ``refuse``."""

    def decorate(function: Callable[[Object], Value]) -> Callable[[Object], Value]:
        @functools.wraps(function)
        def read(obj: Object) -> Value:
            try:
                return function(obj)
            except READING_ERRORS as error:
                refuse(what, error)

        return read

    return decorate


def refuse(what: str, error: Exception) -> NoReturn:
    """Raise for an object that is half-formed; ``what`` names it in a sentence."""
    raise ProviderError(f"Stripe sent {what} that is not complete.", code="malformed_object") from error


def metadata_of(value: Any) -> dict[str, str]:
    """Return an object's metadata, empty if it has none."""
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def amount_of(minor: Any, currency: str) -> Decimal:
    """Return an amount of at least 0 in the currency's units."""
    if isinstance(minor, bool) or not isinstance(minor, int) or minor < 0:
        raise TypeError("amounts are integers of at least 0")
    return signed_amount_of(minor, currency)


def signed_amount_of(minor: Any, currency: str) -> Decimal:
    """Return an amount that a credit makes negative, in the currency's units."""
    if isinstance(minor, bool) or not isinstance(minor, int):
        raise TypeError("amounts are integers")
    try:
        amount = from_minor_units(minor, currency)
    except GatewayError as error:
        raise ValueError(error.detail) from error
    if abs(amount) >= AMOUNT_LIMIT:
        raise ValueError("no currency has such amounts")
    return amount


def text(value: Any) -> str:
    """Return a text that must be there."""
    if not isinstance(value, str) or not value:
        raise TypeError("a text is missing")
    return value


def optional_text(value: Any) -> str:
    """Return a text, empty if there is none."""
    return value if isinstance(value, str) else ""


def moment(value: Any) -> datetime | None:
    """Return a moment from seconds since 1970, ``None`` if there is none."""
    if not value:
        return None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except OSError as error:
        raise ValueError("no moment in time") from error


def flag(value: Any) -> bool | None:
    """Return a flag, ``None`` if there is none."""
    return value if isinstance(value, bool) else None


def count_of(value: Any, default: int) -> int:
    """Return a number of things; ``default`` where there is none."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a number is missing")
    if not 0 <= value < COUNT_LIMIT:
        raise ValueError("there are never so many")
    return value


def part(value: Any) -> Object:
    """Return an object inside of another, empty if there is none (or only its id)."""
    return value if isinstance(value, Mapping) else {}


def entries(value: Any) -> list[Object]:
    """Return the objects of a list that must be there."""
    data = value["data"]
    if not isinstance(data, list) or not all(isinstance(item, Mapping) for item in data):
        raise TypeError("a list has no data")
    return data


def optional_entries(value: Any) -> list[Object]:
    """Return the objects of a list, none where there is no list."""
    return [] if value is None else entries(value)
