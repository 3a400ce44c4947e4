"""How settings are read: what the package works with, made of what a host or an environment variable says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def text(value: Any) -> str:
    """Return a string, empty for ``None``."""
    return str(value or "")


def stripped(value: Any) -> str:
    """Return a string without the blanks around it."""
    return text(value).strip()


def address(value: Any) -> str:
    """Return an address that paths can be appended to."""
    return text(value).rstrip("/")


def flag(value: Any) -> bool:
    """Return whether something is switched on."""
    # The text "False" out of an environment variable must not switch the development mode on.
    return value.strip().lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)


def optional_integer(value: Any) -> int | None:
    """Return a whole number or ``None``."""
    return None if value is None else int(value)


def split_secrets(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the webhook secrets in ``value``: one, several separated by commas, or a list."""
    if not value:
        return ()
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def texts(value: Any) -> Sequence[str]:
    """Return several strings."""
    return tuple(value)


def optional_texts(value: Any) -> Sequence[str] | None:
    """Return several strings or ``None``."""
    return None if value is None else tuple(value)


def rising(value: Any) -> tuple[int, ...]:
    """Return numbers in order, each once."""
    return tuple(sorted(set(value)))


def text_by_name(value: Any) -> Mapping[str, str]:
    """Return a dictionary of strings."""
    return dict(value)


def optional_text_by_name(value: Any) -> Mapping[str, str | None]:
    """Return a dictionary of strings and ``None``."""
    return dict(value)


def texts_by_name(value: Any) -> Mapping[str, Sequence[str]]:
    """Return a dictionary of several strings each."""
    return {name: tuple(several) for name, several in value.items()}


def integer_by_name(value: Any) -> Mapping[str, int]:
    """Return a dictionary of whole numbers."""
    return {name: int(number) for name, number in value.items()}
