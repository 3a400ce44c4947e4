"""How the checks word what they find."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from django.core.checks import CheckMessage, Error, Warning

PREFIX = "django_stripe_gateway"


def error(number: str, message: str, hint: str) -> CheckMessage:
    """Return the error ``E<number>``."""
    return Error(message, hint=hint, id=f"{PREFIX}.E{number}")


def warning(number: str, message: str, hint: str) -> CheckMessage:
    """Return the warning ``W<number>``."""
    return Warning(message, hint=hint, id=f"{PREFIX}.W{number}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that ``name`` was probably meant to be, empty if none is near."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), "")
