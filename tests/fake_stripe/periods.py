"""Billing periods: what a day, week, month or year after a moment is, as Stripe counts."""

from __future__ import annotations

import calendar
import datetime

HOUR, DAY = 3600, 86400


def moment_after(anchor: int, interval: str, count: int, times: int = 1) -> int:
    """Return `anchor` plus `times` times `count` intervals; a month ends on its last day if it has no such day."""
    if interval in {"day", "week"}:
        return anchor + times * count * DAY * (7 if interval == "week" else 1)
    start = datetime.datetime.fromtimestamp(anchor, datetime.UTC)
    months = start.year * 12 + start.month - 1 + times * count * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def period_end(anchor: int, start: int, recurring: dict[str, object]) -> int:
    """Return the first end of a period after `start`, counted from `anchor`."""
    interval, count = str(recurring["interval"]), int(str(recurring["interval_count"]))
    if anchor > start:
        return anchor
    times = 1
    if interval in {"day", "week"}:
        times = (start - anchor) // (moment_after(0, interval, count)) + 1
    while (end := moment_after(anchor, interval, count, times)) <= start:
        times += 1
    return end


def current_period(anchor: int, moment: int, recurring: dict[str, object]) -> tuple[int, int]:
    """Return the period counted from `anchor` that a moment is in; before the anchor it begins at that moment."""
    if anchor > moment:
        return moment, anchor
    start, end = anchor, period_end(anchor, anchor, recurring)
    while end <= moment:
        start, end = end, period_end(anchor, end, recurring)
    return start, end
