"""One setting: its default, how it is read, what it must be, and what it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from django.conf import settings

from django_stripe_gateway.conf.rules import Rule

PREFIX = "STRIPE_GATEWAY_"
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

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.name = self.name or attribute.upper()

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        return self if instance is None else self.read(getattr(settings, self.full_name))

    @property
    def full_name(self) -> str:
        """Its name in the host's settings."""
        return f"{PREFIX}{self.name}"
