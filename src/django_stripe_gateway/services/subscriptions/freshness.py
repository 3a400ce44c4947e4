"""Which of two pieces of news about an object is newer.

Stripe's objects say nowhere when they were changed, and its events come late, twice and in any order. So each row
keeps the time of the newest event that was taken in (Stripe's clock, whole seconds) and the time of our last look (our
clock). An event that is later than both is believed; any other makes us look again. What was looked up is written only
if nothing else was written meanwhile, or if nobody has looked since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from django.utils import timezone

T = TypeVar("T")


class Dated(Protocol):
    """A row that keeps both times."""

    provider_time: Any
    fetched_at: Any


@dataclass(frozen=True, slots=True)
class Known:
    """What a row said of its news at one moment."""

    provider_time: datetime | None
    fetched_at: datetime | None

    @classmethod
    def of(cls, row: Dated) -> Known:
        """Return what ``row`` says now."""
        return cls(row.provider_time, row.fetched_at)


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What the provider answered: when it was asked, by whom who knew what, and the answer."""

    known: Known
    began: datetime
    answer: T


def begin_look(row: Dated) -> tuple[Known, datetime]:
    """Return what must be remembered before the provider is asked."""
    return Known.of(row), timezone.now()


def is_newer_event(row: Dated, created: datetime | None) -> bool:
    """Return whether an event of ``created`` is clearly newer than everything known of ``row``."""
    if created is None:
        return False
    latest = [moment for moment in (row.provider_time, row.fetched_at) if moment is not None]
    return all(created > moment for moment in latest)


def is_usable_look(row: Dated, look: Look[Any]) -> bool:
    """Return whether nothing was written to ``row`` since the look was begun."""
    return Known.of(row) == look.known


def is_overtaken_look(row: Dated, look: Look[Any]) -> bool:
    """Return whether another look, begun later, has been written meanwhile."""
    return row.fetched_at is not None and row.fetched_at >= look.began


def mark_event(row: Dated, created: datetime | None) -> None:
    """Note on ``row`` that an event was taken in."""
    if created is not None and (row.provider_time is None or created > row.provider_time):
        row.provider_time = created


def mark_look(row: Dated, look: Look[Any]) -> None:
    """Note on ``row`` that a look was written."""
    if row.fetched_at is None or look.began > row.fetched_at:
        row.fetched_at = look.began
