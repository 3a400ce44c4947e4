"""Turn the content of a catalogue file into plans, or say everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

from django_stripe_gateway.choices import LimitPeriod, PlanInterval
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.catalogue.entries import LimitEntry, PlanEntry, PriceEntry
from django_stripe_gateway.services.catalogue.rows import exact_amount

MAX_SMALL = 32_767
MAX_BIG = 2**63 - 1
NAME_LENGTH = 128
SLUG_LENGTH = 64
MISSING: Any = object()


def read_plans(content: Any, *, currency: str) -> tuple[list[PlanEntry], list[str]]:
    """Return the plans of a file's content, and its faults; each fault names the entry.

    Args:
        currency: of prices that name none.
    """
    faults: list[str] = []
    top = _Reader(content, "the file", faults)
    entries = top.items("plans", required=True)
    top.close()
    plans = [_plan(_Reader(entry, _label("plans", index, entry, "slug"), faults), currency) for index, entry in entries]
    for slug, count in Counter(plan.slug for plan in plans if plan.slug).items():
        if count > 1:
            faults.append(f"plans: {count} plans have the slug {slug!r}")
    defaults = [plan.slug for plan in plans if plan.is_default]
    if len(defaults) > 1:
        faults.append(f"plans: only one can be the default: {', '.join(defaults)}")
    return plans, faults


def _plan(reader: _Reader, currency: str) -> PlanEntry:
    known_faults = len(reader.faults)
    entry = PlanEntry(
        slug=reader.slug("slug", SLUG_LENGTH),
        name=reader.text("name", NAME_LENGTH),
        description=reader.text("description", default=""),
        auto_renew=reader.flag("auto_renew", True),
        is_default=reader.flag("default", False),
        is_active=reader.flag("active", True),
        position=reader.number("position", 0, default=0),
        prices=tuple(_price(inner, currency) for inner in reader.readers("prices", "amount")),
        limits=tuple(_limit(inner) for inner in reader.readers("limits", "metric")),
        is_complete=True,
    )
    reader.close()
    if len(reader.faults) > known_faults:
        # What could not be read would look the same.
        return entry
    if len({(*price.every, price.amount) for price in entry.prices}) < len(entry.prices):
        reader.fault("two prices are the same")
    if len({limit.metric for limit in entry.limits}) < len(entry.limits):
        reader.fault("two limits have the same metric")
    if entry.is_default and not entry.is_active:
        reader.fault("the default plan must be active")
    return entry


def _price(reader: _Reader, default_currency: str) -> PriceEntry:
    currency = reader.text("currency", default=default_currency).upper()
    entry = PriceEntry(
        amount=reader.amount("amount", currency),
        currency=currency,
        interval=reader.choice("interval", PlanInterval.values, PlanInterval.MONTH),
        interval_count=reader.number("interval_count", 1, default=1),
        trial_days=reader.number("trial_days", 0, default=0),
        is_per_seat=reader.flag("per_seat", False),
    )
    reader.close()
    return entry


def _limit(reader: _Reader) -> LimitEntry:
    entry = LimitEntry(
        metric=reader.slug("metric", SLUG_LENGTH),
        limit=reader.number("limit", 0, most=MAX_BIG, is_nullable=True),
        period=reader.choice("period", LimitPeriod.values, LimitPeriod.DAY),
    )
    reader.close()
    return entry


class _Reader:
    """Reads the keys of one entry, and notes what is wrong with it."""

    def __init__(self, entry: Any, label: str, faults: list[str]) -> None:
        self.label = label
        self.faults = faults
        self.is_readable = isinstance(entry, Mapping)
        self.entry: Mapping[Any, Any] = entry if self.is_readable else {}
        self.known: list[str] = []
        if not self.is_readable:
            self.fault("must be a mapping of keys to values")

    def fault(self, sentence: str) -> None:
        """Note what is wrong."""
        self.faults.append(f"{self.label}: {sentence}")

    def close(self) -> None:
        """Note the keys that nobody has asked for."""
        unknown = [str(name) for name in self.entry if name not in self.known]
        for name in unknown:
            self.fault(f"unknown key {name!r}; there are {', '.join(self.known)}")

    def text(self, name: str, length: int | None = None, default: str = MISSING) -> str:
        """Return a text."""
        value = self._value(name, str, "a text", default)
        if not isinstance(value, str):
            return ""
        if default is MISSING and not value.strip():
            self.fault(f"{name} is empty")
        if length is not None and len(value) > length:
            self.fault(f"{name} has more than {length} characters")
        return value.strip()

    def slug(self, name: str, length: int) -> str:
        """Return a text of letters, digits, hyphens and underscores."""
        value = self.text(name, length)
        try:
            validate_slug(value)
        except ValidationError:
            if value:
                self.fault(f"{name} may have letters, digits, hyphens and underscores only, not {value!r}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        return self._value(name, bool, "true or false", default) is True

    def number(
        self, name: str, least: int, *, most: int = MAX_SMALL, default: int = MISSING, is_nullable: bool = False
    ) -> Any:
        """Return a whole number, or ``None`` where that may be."""
        if is_nullable and name in self.entry and self.entry[name] is None:
            self.known.append(name)
            return None
        value = self._value(name, int, "a whole number" + (" or null" if is_nullable else ""), default)
        if value is not MISSING and not least <= value <= most:
            self.fault(f"{name} must be from {least} to {most}, not {value}")
        return least if value is MISSING else value

    def choice(self, name: str, allowed: list[str], default: str) -> str:
        """Return one of some words."""
        value = self.text(name, default=default)
        if value and value not in allowed:
            self.fault(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def amount(self, name: str, currency: str) -> Decimal:
        """Return an amount in a currency: a number, or a text that is one."""
        value = self._value(name, (int, Decimal, str), "a number, such as 9.99", MISSING)
        if value is MISSING:
            return Decimal(0)
        try:
            return exact_amount(Decimal(value), currency)
        except InvalidOperation:
            self.fault(f"{name} must be a number, such as 9.99, not {value!r}")
        except InvalidInput as error:
            self.fault(f"{error.field or name}: {error.detail}")
        return Decimal(0)

    def items(self, name: str, *, required: bool = False) -> list[tuple[int, Any]]:
        """Return the entries of a list."""
        value = self._value(name, list, "a list", MISSING if required else [])
        return [] if value is MISSING else list(enumerate(value))

    def readers(self, name: str, key: str) -> Iterator[_Reader]:
        """Yield readers of a list's entries, which ``key`` tells apart for people."""
        for index, entry in self.items(name):
            yield _Reader(entry, f"{self.label}, {_label(name, index, entry, key)}", self.faults)

    def _value(self, name: str, kind: type | tuple[type, ...], kind_name: str, default: Any) -> Any:
        self.known.append(name)
        if name not in self.entry:
            if default is MISSING and self.is_readable:
                self.fault(f"{name} is missing")
            return default
        value = self.entry[name]
        # Python takes true for 1.
        is_right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not is_right:
            self.fault(f"{name} must be {kind_name}, not {value!r}")
            return default
        return value


def _label(name: str, index: int, entry: Any, key: str) -> str:
    label = f"{name}[{index}]"
    known = entry.get(key) if isinstance(entry, Mapping) else None
    return f"{label} ({known})" if isinstance(known, str | int | Decimal) else label
