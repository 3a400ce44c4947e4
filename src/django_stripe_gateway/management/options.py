"""How the commands read their options."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime, time

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime


def moment(text: str) -> datetime:
    """Return the time that a date or a date with time stands for, in this site's time zone unless it names one."""
    try:
        found = parse_datetime(text)
        day = None if found else parse_date(text)
    except ValueError:
        found = day = None
    if day is not None:
        found = datetime.combine(day, time.min)
    if found is None:
        raise ArgumentTypeError(f"invalid moment value: {text!r} is no time; write 2026-11-23 or 2026-11-23T10:30")
    return found if timezone.is_aware(found) else timezone.make_aware(found, timezone.get_default_timezone())
