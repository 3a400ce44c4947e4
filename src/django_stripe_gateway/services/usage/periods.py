"""When a period begins and ends, in the time zone of its owner, across daylight saving: one rule for each kind."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from django_stripe_gateway.adapter import get_adapter, wrong_answer
from django_stripe_gateway.choices import LimitPeriod

logger = logging.getLogger(__name__)

FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# What the keys of paid periods begin with.
PAID = "billing:"
# The end of a billing period that the provider has not confirmed yet is an estimate; months differ by three days.
ESTIMATE_MARGIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Window:
    """One period: its key, its first moment, the first moment after it (``None`` for never).

    Days are known by their local date and not by the moment they begin at, so that an owner who moves to another time
    zone is in the same day or the next, and never gets a fresh one for each zone.

    Args:
        carries_since: use in other periods that are not over counts in this one if their last use is not older than
            that (see ``carried_into``); ``None`` for kinds whose periods never overlap.
        item_id: of the item whose paid period it is; empty for a subscription's, and for what nobody pays for.
    """

    key: str
    starts: datetime
    ends: datetime | None
    current_until: datetime
    carries_since: datetime | None = None
    item_id: str = ""


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """What a subscription says about the period that is paid.

    Args:
        since: when the first of the periods began that have followed each other without a break, this one the last;
            ``None`` if that is not known, and this one is taken for the first.
        item_id: of the item that has this period, beside the plan's; empty where it is the subscription's.
    """

    starts: datetime
    ends: datetime
    since: datetime | None = None
    item_id: str = ""


#: Takes a moment, the owner's time zone and the paid period, if there is one; returns the period of the moment.
WindowAt = Callable[[datetime, tzinfo, BillingPeriod | None], Window]


@dataclass(frozen=True, slots=True)
class PeriodRule:
    """What makes up one kind of period.

    Args:
        window: how it begins and ends (never, if it does not start from zero again), with or without a subscription.
        days: how long it counts when limits of several subscriptions are compared.
    """

    window: WindowAt
    days: int


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


@functools.cache
def rule_of(period: LimitPeriod) -> PeriodRule:
    """Return the rule of one kind of period; a kind without a row here does not pass the type checker."""
    match period:
        case LimitPeriod.DAY:
            return PeriodRule(_calendar("day", lambda day: day, lambda first: first + timedelta(days=1)), days=1)
        case LimitPeriod.WEEK:
            return PeriodRule(_calendar("week", _monday, lambda first: first + timedelta(days=7)), days=7)
        case LimitPeriod.MONTH:
            return PeriodRule(_month, days=30)
        case LimitPeriod.BILLING_PERIOD:
            return PeriodRule(_paid(without_subscription=LimitPeriod.MONTH), days=30)
        case LimitPeriod.LIFETIME:
            return PeriodRule(_never_ending, days=36_500)
        case _:
            assert_never(period)


def window_of(period: str, now: datetime, zone: tzinfo, billing: BillingPeriod | None) -> Window:
    """Return the period of the kind ``period`` that ``now`` lies in.

    Args:
        period: a value of ``LimitPeriod``.
        billing: the paid period of the subscription that the limit is from.
    """
    return rule_of(LimitPeriod(period)).window(now, zone, billing)


def _calendar(word: str, first: Callable[[date], date], after: Callable[[date], date]) -> WindowAt:
    """Return the rule of periods that begin and end at the owner's midnight.

    Args:
        word: what the keys of these periods begin with; stored, and of no other kind.
        first: returns the first day of the period that a day lies in.
        after: returns the first day of the next period from the first day of one.
    """

    def window(now: datetime, zone: tzinfo, _billing: BillingPeriod | None) -> Window:
        day = first(local_day(now, zone))
        ends = _midnight(after(day), zone)
        return Window(f"{word}:{day.isoformat()}", _midnight(day, zone), ends, ends)

    return window


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of ``day``; where clocks skip midnight, that is the moment they do."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def paid_key(starts: datetime) -> str:
    """Return the key of the paid period that begins at ``starts``, wherever it ends, and whosever it is."""
    return f"{PAID}{starts.astimezone(UTC).isoformat(timespec='seconds')}"


def _paid(without_subscription: LimitPeriod) -> WindowAt:
    """Return the rule of a subscription's paid periods.

    When one is over, the next is assumed to be as long, until the provider confirms the renewal.

    Args:
        without_subscription: the kind that applies where nothing is paid for.
    """

    def window(now: datetime, zone: tzinfo, billing: BillingPeriod | None) -> Window:
        if billing is None:
            return rule_of(without_subscription).window(now, zone, None)
        starts, ends = billing.starts.astimezone(UTC), billing.ends.astimezone(UTC)
        since = starts if billing.since is None else billing.since
        length = ends - starts
        if now >= ends and length > timedelta():
            missed = (now - ends) // length
            starts, ends = ends + missed * length, ends + (missed + 1) * length
        # A renewal is paid for by itself; a first period takes over whatever is not over yet.
        carries_since = starts if starts > since else THE_BEGINNING
        return Window(paid_key(starts), starts, ends, ends + ESTIMATE_MARGIN, carries_since, billing.item_id)

    return window


def _month(now: datetime, zone: tzinfo, _billing: BillingPeriod | None) -> Window:
    """Return the calendar month; what was used of a paid period before it was left counts into the next month, too."""
    window = _calendar("month", _first_of_month, _first_of_next_month)(now, zone, None)
    before = _first_of_month(_first_of_month(local_day(now, zone)) - timedelta(days=1))
    return replace(window, carries_since=_midnight(before, zone))


def _never_ending(_now: datetime, _zone: tzinfo, _billing: BillingPeriod | None) -> Window:
    return Window("lifetime", THE_BEGINNING, None, FAR_FUTURE)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _first_of_next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
