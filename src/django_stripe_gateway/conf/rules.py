"""What values of settings can be: each rule says it in words, and tests it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

Test = Callable[[Any], bool]
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.\w+)?")
ACCOUNT = re.compile(r"acct_\w+", re.ASCII)
MODEL = re.compile(r"\w+\.\w+")
# DRF looks at the first letter only, and takes a month for a minute.
RATE = re.compile(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)")


def no_paths(value: Any) -> Iterable[str]:
    """Return that nothing in ``value`` has to be imported."""
    return ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be.

    Args:
        must: the end of the sentence "X must be …".
        test: whether a value is that.
        paths: the dotted paths in a value that passes the test, which have to be importable.
        method: what the classes at these paths must be able to do, empty for anything.
        base: dotted path of the class that they must extend, empty for any.
    """

    must: str
    test: Test
    paths: Callable[[Any], Iterable[str]] = no_paths
    method: str = ""
    base: str = ""

    def __call__(self, value: Any) -> bool:
        """Return whether ``value`` keeps the rule."""
        return self.test(value)

    def worded(self, must: str) -> Rule:
        """Return the same rule in other words."""
        return replace(self, must=must)


def rule(must: str) -> Callable[[Test], Rule]:
    """Make a rule of the function that tests it."""
    return lambda test: Rule(must, test)


# Rules that are made to measure


def optional(inner: Rule, meaning: str) -> Rule:
    """Return a rule that also lets ``None`` pass, and what that means."""
    return replace(
        inner,
        must=f"{inner.must}, or None for {meaning}",
        test=lambda value: value is None or inner(value),
        paths=lambda value: () if value is None else inner.paths(value),
    )


def integer(least: int, most: float = math.inf, *, unit: str = "") -> Rule:
    """Return a rule for whole numbers in a range."""
    span = f", at least {least}" if most == math.inf else f" from {least} to {most}"
    return Rule(
        f"a whole number{f' of {unit}' if unit else ''}{span}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
    )


def seconds(*, above: float, most: float) -> Rule:
    """Return a rule for numbers of seconds in a range."""
    return Rule(
        f"a number of seconds above {above}, at most {most}",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most,
    )


def one_of(*values: str) -> Rule:
    """Return a rule for a choice of texts."""
    *others, last = (f'"{value}"' for value in values)
    return Rule(f"{', '.join(others)} or {last}", lambda value: isinstance(value, str) and value in values)


def each(test: Test) -> Test:
    """Return a test for lists of which everything passes ``test``."""
    return lambda value: isinstance(value, list | tuple) and all(test(item) for item in value)


def each_entry(is_key: Test, is_value: Test) -> Test:
    """Return a test for dictionaries with such keys and values."""
    return lambda value: (
        isinstance(value, Mapping) and all(is_key(key) and is_value(item) for key, item in value.items())
    )


def limits_of(names: Sequence[str]) -> Rule:
    """Return a rule for dictionaries of some of ``names`` and the most that is healthy of each."""
    return Rule(
        f"a dictionary of counts ({', '.join(names)}) and whole numbers", each_entry(names.__contains__, integer(0))
    )


def list_of(*names: str) -> Rule:
    """Return a rule for lists of some of ``names``."""
    return Rule(f"a list of some of {', '.join(names)}", each(names.__contains__))


def rates_of(scopes: Sequence[str]) -> Rule:
    """Return a rule for dictionaries of some of ``scopes`` and how often each may be asked."""
    return Rule(
        f'a dictionary of scopes ({", ".join(scopes)}) and rates such as "100/hour" or None',
        each_entry(scopes.__contains__, is_rate),
    )


def classes(method: str) -> Rule:
    """Return a rule for lists of the dotted paths of classes that have ``method``."""
    return replace(is_paths, paths=tuple, method=method)


def classes_by_name(names: Sequence[str], method: str) -> Rule:
    """Return a rule for dictionaries of some of ``names`` and lists of classes that have ``method``."""
    return Rule(
        f"a dictionary of actions ({', '.join(names)}) and lists of dotted paths",
        each_entry(names.__contains__, is_paths),
        paths=lambda value: [path for own in value.values() for path in own],
        method=method,
    )


def subclass_of(base: str) -> Rule:
    """Return a rule for the dotted path of a class that extends the one at ``base``."""
    return Rule(f"the dotted path of a subclass of {base}", is_text.test, paths=lambda value: [value], base=base)


# Rules that stand as they are


@rule("a number from 0 to 1")
def is_fraction(value: Any) -> bool:
    """Return whether ``value`` is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


@rule("True or False, and no string")
def is_bool(value: Any) -> bool:
    """Return whether ``value`` is ``True`` or ``False``; any non-empty string would count as true."""
    return isinstance(value, bool)


@rule("a string")
def is_text(value: Any) -> bool:
    """Return whether ``value`` is a string with something in it."""
    return isinstance(value, str) and bool(value.strip())


@rule("a string")
def is_optional_text(value: Any) -> bool:
    """Return whether ``value`` is a string or ``None``, as an unset environment variable is."""
    return value is None or isinstance(value, str)


@rule('the name of a model such as "auth.User"')
def is_model_name(value: Any) -> bool:
    """Return whether ``value`` is written as a model's name with its app's."""
    return isinstance(value, str) and MODEL.fullmatch(value) is not None


is_list_of_strings = each(lambda item: isinstance(item, str))
is_texts = Rule("a string, or a list of strings", lambda value: is_optional_text(value) or is_list_of_strings(value))


@rule('an address such as "http://127.0.0.1:8420"')
def is_address(value: Any) -> bool:
    """Return whether ``value`` is an absolute http address."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


@rule('an address such as "https://api.stripe.com", or empty')
def is_optional_address(value: Any) -> bool:
    """Return whether ``value`` is an absolute http address or nothing."""
    return value in (None, "") or is_address(value)


@rule('the id of an account such as "acct_1A2b3C", or empty')
def is_optional_account(value: Any) -> bool:
    """Return whether ``value`` is an account's id as Stripe writes it, or nothing."""
    return value in (None, "") or (isinstance(value, str) and ACCOUNT.fullmatch(value) is not None)


@rule("an account's id, acct_…, or several with a slash between them as a path to one, or empty")
def is_optional_context(value: Any) -> bool:
    """Return whether ``value`` names an account as Stripe's header ``Stripe-Context`` does, or nothing."""
    return value in (None, "") or (isinstance(value, str) and all(map(ACCOUNT.fullmatch, value.split("/"))))


@rule('a version of Stripe\'s API such as "2026-10-28.endive", or empty')
def is_optional_version(value: Any) -> bool:
    """Return whether ``value`` is a version as Stripe writes it, or nothing."""
    return value in (None, "") or (isinstance(value, str) and VERSION.fullmatch(value) is not None)


@rule("an address or a path of your site, in which {payment_id} is the only placeholder, or empty")
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


@rule("an address or a path of your site, or empty")
def is_optional_plain_page(value: Any) -> bool:
    """Return whether ``value`` is an address or a path without placeholders, or nothing."""
    return value in (None, "") or (is_optional_page(value) and "{" not in value)


def is_rate(value: Any) -> bool:
    """Return whether ``value`` is a rate as DRF reads it, or none."""
    return value is None or (isinstance(value, str) and RATE.fullmatch(value) is not None)


def is_event_pattern(value: Any) -> bool:
    """Return whether ``value`` is an event type, whose last part can be a wildcard."""
    return is_text(value) and "*" not in value[:-1]


is_paths = Rule("a list of dotted paths", each(is_text))
is_event_patterns = Rule('a list of event types such as "charge.dispute.*"', each(is_event_pattern))
is_percentages = Rule("a list of whole percentages from 1 to 100", each(integer(1, 100)))
is_text_mapping = Rule("a dictionary of names and texts", each_entry(is_text, is_text))
is_path_mapping = Rule(
    "a dictionary of names and dotted paths", is_text_mapping.test, paths=lambda value: value.values()
)


def import_problem(path: str) -> str:
    """Return why ``path`` cannot be imported, empty if it can."""
    try:
        import_string(path)
    except Exception as problem:
        # A module can raise anything when it is imported; a check has to survive it.
        return f"{type(problem).__name__}"
    return ""
