"""One setting: its default, how it is read, what it must be and what it is for; and what is made of several of them.

Both are read at use, and made anew only when what the host has written is something else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_stripe_gateway.conf.rules import Rule
from django_stripe_gateway.conf.variants import is_seller_variant

PREFIX = "STRIPE_GATEWAY_"
NEVER_READ = object()
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(eq=False)
class Setting(Generic[T]):
    """A setting of the host's, read at use, so that ``override_settings`` works everywhere.

    Args:
        read: makes what the package works with of what the host has written.
        default: for hosts that write nothing.
        rule: what a value must be, else ``manage.py check`` says E013 (E014 for a dotted path).
        sentence: what it is for, in the Markdown of the reference page.
        checks: ids of further checks that look at it.
        name: in the host's settings, without the prefix; by default the attribute's in capitals.
    """

    read: Callable[[Any], T]
    default: Any
    rule: Rule
    sentence: str
    checks: str = ""
    name: str = ""
    #: Its name in the host's settings.
    full_name: str = field(default="", init=False)
    #: A copy of what the host had written when it was last read, and what was made of that.
    last: tuple[Any, Any] = field(default=(NEVER_READ, None), init=False, repr=False)

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.name = self.name or attribute.upper()
        self.full_name = f"{PREFIX}{self.name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        written = getattr(settings, self.full_name)
        known, value = self.last
        if written is not known and written != known:
            known = copied(written)
            try:
                value = self.read(written)
            except (TypeError, ValueError, AttributeError) as error:
                raise ImproperlyConfigured(f"{self.full_name} must be {self.rule.must}.") from error
            self.last = known, value
        return value  # type: ignore[no-any-return]


def copied(written: Any) -> Any:
    """Return what a host has written with containers of our own, to see later whether it was changed in place."""
    if isinstance(written, Mapping):
        return {name: copied(value) for name, value in written.items()}
    if isinstance(written, list | tuple):
        values = [copied(value) for value in written]
        return values if isinstance(written, list) else tuple(values)
    return set(written) if isinstance(written, set) else written


class _Written:
    """A copy of some of Django's settings, secrets among them: no frame that an error carries shows more than this."""

    __slots__ = ("_values", "names")

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._values = [copied(getattr(settings, name, None)) for name in names]

    def is_current(self) -> bool:
        """Return whether the host has written nothing else meanwhile."""
        return all(getattr(settings, name, None) == value for name, value in zip(self.names, self._values, strict=True))


def made_of_settings(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function remember what it returns until one of Django's settings ``names`` is another.

    A dictionary that was changed in place is another one, too: what it held is compared. What is raised is not
    remembered, and nothing of a seller's variant: the settings do not say whether it is there. The arguments have to be
    hashable and few.
    """

    def decorate(make: Callable[P, T]) -> Callable[P, T]:
        remembered: dict[Any, tuple[_Written, T]] = {}

        @functools.wraps(make)
        def made_once(*args: P.args, **kwargs: P.kwargs) -> T:
            if any(isinstance(arg, str) and is_seller_variant(arg) for arg in args):
                return make(*args, **kwargs)
            key = args, tuple(kwargs.items())
            known = remembered.get(key)
            if known is None or not known[0].is_current():
                # Copied before they are read: what changes meanwhile is noticed the next time.
                known = remembered[key] = _Written(names), make(*args, **kwargs)
            return known[1]

        return made_once

    return decorate
