"""Which of two states of a provider's object is newer; nothing else decides it.

Stripe's objects say nowhere when they were changed, and its events come late, twice and in any order. So each row
keeps the time of the newest event that was taken in (Stripe's clock, whole seconds) and the time of our last look (our
clock). An event that is later than both is believed; any other makes us look again. What was looked up is written only
if nothing else was written meanwhile; it is dropped where somebody who asked after us has written their answer.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from django.utils import timezone

from django_stripe_gateway.exceptions import OperationInProgress

T = TypeVar("T")
MAX_LOOKS = 5


class Dated(Protocol):
    """A row that keeps both times."""

    provider_time: Any
    fetched_at: Any


D = TypeVar("D", bound=Dated)


class Verdict(enum.Enum):
    """What is to be done with a state that is not ours."""

    WRITE = "write"
    KEEP = "keep"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Known:
    """What a row knew at one moment."""

    provider_time: datetime | None
    fetched_at: datetime | None

    @classmethod
    def of(cls, row: Dated) -> Known:
        """Return what ``row`` knows now."""
        return cls(row.provider_time, row.fetched_at)


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What the provider answered.

    Args:
        known: what the row knew before the provider was asked; ``None`` for an object that came along with another.
        began: when the provider was asked.
        answer: what it said.
        asked: when it was asked for the first time, by somebody who lost a race since; ``began`` unless said.
    """

    known: Known | None
    began: datetime
    answer: T
    asked: datetime | None = None


def begin_look(row: Dated) -> tuple[Known, datetime]:
    """Return what must be remembered before the provider is asked."""
    return Known.of(row), timezone.now()


def look_until_written(
    read: Callable[[], D], ask: Callable[[D], T], write: Callable[[D, Look[T]], D | None], noun: str
) -> D:
    """Look at the provider's object of a row until what it says is written, and return the row.

    Args:
        read: returns the row as it is now.
        ask: asks the provider for the object of a row.
        write: writes what was looked up of a row; ``None`` if somebody has to look again.
        noun: what it is, for people.

    Raises:
        GatewayError: the provider could not be asked.
        OperationInProgress: events keep coming in faster than we can look.
    """
    asked = None
    for _look in range(MAX_LOOKS):
        seen = read()
        known, began = begin_look(seen)
        asked = asked or began
        row = write(seen, Look(known, began, ask(seen), asked))
        if row is not None:
            return row
    raise OperationInProgress(f"This {noun} changes too quickly. Try again.", retry_after=1)


def judge(
    row: Dated,
    *,
    event_time: datetime | None = None,
    look: Look[Any] | None = None,
    is_last: bool = False,
    is_over: bool = False,
) -> Verdict:
    """Decide about a state of the object of a locked row, and note on the row that it is known from now on.

    Args:
        event_time: when the event that brought it was made; ``None`` where it was no event.
        look: what the provider answered, where it was asked.
        is_last: nothing can come after what the event says.
        is_over: nothing can come after what the row says.
    """
    moments = [moment for moment in (row.provider_time, row.fetched_at) if moment is not None]
    if look is not None:
        verdict = _judge_look(row, look, moments, event_time, is_over)
        if verdict is Verdict.WRITE and (row.fetched_at is None or look.began > row.fetched_at):
            row.fetched_at = look.began
    elif is_last or (event_time is not None and all(event_time > moment for moment in moments)):
        verdict = Verdict.WRITE
    else:
        verdict = Verdict.KEEP if is_over else Verdict.LOOK
    is_known = verdict is Verdict.WRITE or (verdict is Verdict.KEEP and look is not None)
    if is_known and event_time is not None and (row.provider_time is None or event_time > row.provider_time):
        row.provider_time = event_time
    return verdict


def _judge_look(
    row: Dated, look: Look[Any], moments: list[datetime], event_time: datetime | None, is_over: bool
) -> Verdict:
    if look.known is None:
        return Verdict.WRITE if all(moment < look.began for moment in moments) else Verdict.KEEP
    if Known.of(row) == look.known:
        return Verdict.WRITE
    is_other_look = row.fetched_at != look.known.fetched_at
    # An event that is no later than the last look was noted beside it, never written.
    if not (is_over or is_other_look or row.fetched_at is None) and row.provider_time <= row.fetched_at:
        return Verdict.WRITE
    # Who asked after us got no older answer. The first time counts: in a crowd the latest is always too late.
    is_overtaken = is_other_look and row.fetched_at is not None and row.fetched_at >= (look.asked or look.began)
    is_outdated = (
        event_time is not None
        and row.provider_time is not None
        and row.provider_time != look.known.provider_time
        and row.provider_time > event_time
    )
    return Verdict.KEEP if is_over or is_overtaken or is_outdated else Verdict.LOOK
