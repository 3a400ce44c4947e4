"""Read the fields of Stripe's objects, and refuse what is missing or of another type.

Input is plain ``dict``: what ``json.loads`` made of a webhook's or an answer's body.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from django.conf import settings
from django.utils import timezone

from django_stripe_gateway.exceptions import GatewayError, ProviderError
from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS, from_minor_units

Object = Mapping[str, Any]
Value = TypeVar("Value")

AMOUNT_LIMIT = Decimal(10) ** (MAX_DIGITS - DECIMAL_PLACES)
COUNT_LIMIT = 2**31
# What reading an object trips over when a field is missing or of the wrong type.
READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def object_id(value: Any) -> str:
    """Return the id of ``value``: an id, or the expanded object."""
    return text(value.get("id") if isinstance(value, Mapping) else value, "")


def reads(what: str) -> Callable[[Callable[[Object], Value]], Callable[[Object], Value]]:
    """Let a function that reads one of Stripe's objects raise ``ProviderError`` where that is half-formed."""

    def decorate(read: Callable[[Object], Value]) -> Callable[[Object], Value]:
        @functools.wraps(read)
        def read_or_refuse(obj: Object) -> Value:
            try:
                return read(obj)
            except READING_ERRORS as error:
                refuse(what, error)

        return read_or_refuse

    return decorate


def refuse(what: str, error: Exception) -> NoReturn:
    """Raise for an object that is half-formed; ``what`` names it in a sentence."""
    raise ProviderError(f"Stripe sent {what} that is not complete.", code="malformed_object") from error


def metadata_of(value: Any) -> dict[str, str]:
    """Return an object's metadata, empty if it has none."""
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def amount_of(minor: Any, currency: str, least: float = 0) -> Decimal:
    """Return an amount in the currency's units, which by default is not negative."""
    if isinstance(minor, bool) or not isinstance(minor, int) or minor < least:
        raise TypeError("amounts are integers, and most of them at least 0")
    try:
        amount = from_minor_units(minor, currency)
    except GatewayError as error:
        raise ValueError(error.detail) from error
    if abs(amount) >= AMOUNT_LIMIT:
        raise ValueError("no currency has such amounts")
    return amount


#: Return an amount that a credit makes negative, in the currency's units.
signed_amount_of = functools.partial(amount_of, least=-math.inf)


def text(value: Any, default: str | None = None) -> str:
    """Return a text, ``default`` where there is none; without a default it must be there."""
    if isinstance(value, str) and (value or default is not None):
        return value
    if default is None:
        raise TypeError("a text is missing")
    return default


#: Return a text, empty if there is none.
optional_text = functools.partial(text, default="")


def moment(value: Any) -> datetime | None:
    """Return a moment from seconds since 1970 as this site's databases hold it, ``None`` if there is none.

    Where the host does without time zones it is one of the host's own, as ``timezone.now()`` is.
    """
    if not value:
        return None
    try:
        found = datetime.fromtimestamp(int(value), UTC)
    except OSError as error:
        raise ValueError("no moment in time") from error
    return found if settings.USE_TZ else timezone.make_naive(found, timezone.get_default_timezone())


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


def page_of(read: Callable[[Object], Value]) -> Callable[[Object], tuple[list[Value], str]]:
    """Return a reader of a list's items, and of the id that the next page starts after, empty on the last one."""

    @reads("a list")
    def read_page(obj: Object) -> tuple[list[Value], str]:
        found = entries(obj)
        return [read(item) for item in found], text(found[-1]["id"]) if obj.get("has_more") and found else ""

    return read_page
