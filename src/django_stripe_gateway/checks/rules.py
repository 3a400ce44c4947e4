"""What values of settings can be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

from django.utils.module_loading import import_string
from rest_framework.permissions import OperationHolderMixin

from django_stripe_gateway.conf import INBOX_COUNTS, PAYMENT_ACTIONS, SUBSCRIPTION_ACTIONS

Rule = Callable[[Any], bool]
PAGE = "an address or a path of your site, in which {payment_id} is the only placeholder, or empty"
PLAIN_PAGE = "an address or a path of your site, or empty"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.\w+)?")
MODEL = re.compile(r"\w+\.\w+")
RATE = re.compile(r"\d+/[smhd]\w*")


def optional(rule: Rule) -> Rule:
    """Return a rule that also lets ``None`` pass."""
    return lambda value: value is None or rule(value)


def integer(least: int, most: float = math.inf) -> Rule:
    """Return a rule for whole numbers in a range."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def number(above: float, most: float) -> Rule:
    """Return a rule for numbers in a range."""
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most


def fraction(value: Any) -> bool:
    """Return whether ``value`` is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def is_bool(value: Any) -> bool:
    """Return whether ``value`` is ``True`` or ``False``; any non-empty string would count as true."""
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Return whether ``value`` is a string with something in it."""
    return isinstance(value, str) and bool(value.strip())


def is_optional_text(value: Any) -> bool:
    """Return whether ``value`` is a string or ``None``, as an unset environment variable is."""
    return value is None or isinstance(value, str)


def is_model_name(value: Any) -> bool:
    """Return whether ``value`` is written as a model's name with its app's."""
    return isinstance(value, str) and MODEL.fullmatch(value) is not None


def is_texts(value: Any) -> bool:
    """Return whether ``value`` is a string, several strings, or nothing."""
    return is_optional_text(value) or (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value))


def is_address(value: Any) -> bool:
    """Return whether ``value`` is an absolute http address."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_optional_address(value: Any) -> bool:
    """Return whether ``value`` is an absolute http address or nothing."""
    return value in (None, "") or is_address(value)


def is_optional_version(value: Any) -> bool:
    """Return whether ``value`` is a version as Stripe writes it, or nothing."""
    return value in (None, "") or (isinstance(value, str) and VERSION.fullmatch(value) is not None)


def is_optional_page(value: Any) -> bool:
    """Return whether ``value`` is an address or a path with known placeholders, or nothing."""
    if value in (None, ""):
        return True
    if not isinstance(value, str) or not (value.startswith("/") or is_address(value)):
        return False
    try:
        names = {name for _text, name, _format, _conversion in Formatter().parse(value) if name is not None}
    except ValueError:
        return False
    return names <= {"payment_id"}


def is_optional_plain_page(value: Any) -> bool:
    """Return whether ``value`` is an address or a path without placeholders, or nothing."""
    return value in (None, "") or (is_optional_page(value) and "{" not in value)


def is_proration(value: Any) -> bool:
    """Return whether ``value`` is what Stripe can do about a change in the middle of a period."""
    return isinstance(value, str) and value in ("create_prorations", "always_invoice", "none")


def is_paths(value: Any) -> bool:
    """Return whether ``value`` is a list of dotted paths."""
    return isinstance(value, list | tuple) and all(is_text(item) for item in value)


def is_path_mapping(value: Any) -> bool:
    """Return whether ``value`` maps names to dotted paths."""
    return isinstance(value, Mapping) and all(is_text(key) and is_text(item) for key, item in value.items())


def is_action_permissions(value: Any) -> bool:
    """Return whether ``value`` maps actions of the API to lists of dotted paths."""
    return isinstance(value, Mapping) and all(
        action in PAYMENT_ACTIONS + SUBSCRIPTION_ACTIONS and is_paths(paths) for action, paths in value.items()
    )


def is_event_patterns(value: Any) -> bool:
    """Return whether ``value`` is a list of event types, whose last part can be a wildcard."""
    return isinstance(value, list | tuple) and all(is_text(item) and "*" not in item[:-1] for item in value)


def is_health_limits(value: Any) -> bool:
    """Return whether ``value`` maps counts of the inbox to whole numbers."""
    is_count = integer(0)
    return isinstance(value, Mapping) and all(name in INBOX_COUNTS and is_count(most) for name, most in value.items())


def is_percentages(value: Any) -> bool:
    """Return whether ``value`` is a list of whole percentages."""
    is_percentage = integer(1, 100)
    return isinstance(value, list | tuple) and all(is_percentage(item) for item in value)


def is_rates(value: Any) -> bool:
    """Return whether ``value`` maps scopes to rates as DRF reads them."""
    return isinstance(value, Mapping) and all(
        is_text(scope) and (rate is None or (isinstance(rate, str) and RATE.fullmatch(rate) is not None))
        for scope, rate in value.items()
    )


def is_class_with(path: str, method: str) -> bool:
    """Return whether ``path`` names a class that has ``method``, or permissions combined with ``&``, ``|`` or ``~``."""
    found = import_string(path)
    if isinstance(found, type):
        return callable(getattr(found, method, None))
    return method == "has_permission" and isinstance(found, OperationHolderMixin)


def import_problem(path: str) -> str:
    """Return why ``path`` cannot be imported, empty if it can."""
    try:
        import_string(path)
    except Exception as problem:
        # A module can raise anything when it is imported; a check has to survive it.
        return f"{type(problem).__name__}"
    return ""
