"""When a period begins and ends, in the time zone of its owner, across daylight saving."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from django_stripe_gateway.adapter import get_adapter, wrong_answer
from django_stripe_gateway.choices import LimitPeriod

logger = logging.getLogger(__name__)

FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# The end of a billing period that the provider has not told yet is an estimate; months differ by three days.
ESTIMATE_MARGIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Window:
    """One period: its key, its first moment, the first moment after it (``None`` for never).

    Days are known by their local date and not by the moment they begin at, so that an owner who moves to another time
    zone is in the same day or the next, and never gets a fresh one for each zone.
    """

    key: str
    starts: datetime
    ends: datetime | None
    current_until: datetime


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """What a subscription says about the period that is paid."""

    starts: datetime
    ends: datetime


def as_aware(moment: datetime) -> datetime:
    """Return a moment of the database or the clock, which are naive where ``USE_TZ`` is off, with its time zone."""
    return timezone.make_aware(moment, timezone.get_default_timezone()) if timezone.is_naive(moment) else moment


def as_stored(moment: datetime) -> datetime:
    """Return an aware moment as the database and the host's own code know moments."""
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


def time_zone_of(owner: Any) -> tzinfo:
    """Return the owner's time zone: what the host's adapter says, or the site's.

    Raises:
        GatewayConfigurationError: the adapter's answer is neither a time zone nor the name of one.
    """
    answer = get_adapter().time_zone(owner)
    if isinstance(answer, tzinfo):
        return answer
    if not isinstance(answer, str | None):
        raise wrong_answer("time_zone", "must return a tzinfo, the name of a time zone, or None")
    if answer:
        try:
            return ZoneInfo(answer)
        except (KeyError, ValueError, OSError):
            # What an owner has typed must not stop their work.
            logger.warning("time_zone() of the adapter gave an unknown time zone for owner %s.", owner.pk)
    return timezone.get_default_timezone()


def local_day(now: datetime, zone: tzinfo) -> date:
    """Return the date at ``now`` in ``zone``."""
    return now.astimezone(zone).date()


def window_of(period: str, now: datetime, zone: tzinfo, billing: BillingPeriod | None) -> Window:
    """Return the period that ``now`` lies in; without a billing period, that is the calendar month."""
    if period == LimitPeriod.BILLING_PERIOD and billing is not None:
        return _billing_window(now, billing)
    today = local_day(now, zone)
    match period:
        case LimitPeriod.LIFETIME:
            return Window("lifetime", THE_BEGINNING, None, FAR_FUTURE)
        case LimitPeriod.DAY:
            return _calendar_window("day", today, today + timedelta(days=1), zone)
        case LimitPeriod.WEEK:
            monday = today - timedelta(days=today.weekday())
            return _calendar_window("week", monday, monday + timedelta(days=7), zone)
        case _:
            first = today.replace(day=1)
            return _calendar_window("month", first, (first + timedelta(days=32)).replace(day=1), zone)


def _calendar_window(kind: str, first: date, after: date, zone: tzinfo) -> Window:
    ends = _midnight(after, zone)
    return Window(f"{kind}:{first.isoformat()}", _midnight(first, zone), ends, ends)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of ``day``; where clocks skip midnight, that is the moment they do."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _billing_window(now: datetime, billing: BillingPeriod) -> Window:
    """Return the paid period, or the one after it while the provider's news of the renewal is on its way."""
    starts, ends = billing.starts.astimezone(UTC), billing.ends.astimezone(UTC)
    length = ends - starts
    if now >= ends and length > timedelta():
        missed = (now - ends) // length
        starts, ends = ends + missed * length, ends + (missed + 1) * length
    key = f"billing:{starts.isoformat(timespec='seconds')}"
    return Window(key, starts, ends, ends + ESTIMATE_MARGIN)
