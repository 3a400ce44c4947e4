"""How often something is paid, and whether one paid period follows another by that."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django_stripe_gateway.models import PlanPricing
from django_stripe_gateway.services.usage.periods import as_aware

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True)
class Cycle:
    """A price's interval and how many of them one period is; no interval where that is not known."""

    interval: str
    interval_count: int

    def is_renewal(self, starts: datetime, ended: datetime) -> bool:
        """Return whether a period that begins at ``starts`` follows the one that ended, with whole ones in between.

        Those in between were renewals that were not heard of. The provider counts in UTC, to the second.
        """
        starts, ended = as_aware(starts).astimezone(UTC), as_aware(ended).astimezone(UTC)
        if starts <= ended:
            return starts == ended
        if self.interval in DAYS:
            return not (starts - ended) % timedelta(days=DAYS[self.interval] * self.interval_count)
        if self.interval not in MONTHS or starts.timetz() != ended.timetz():
            return False
        apart = (starts.year - ended.year) * 12 + starts.month - ended.month
        return apart % (MONTHS[self.interval] * self.interval_count) == 0 and starts.day in _days_after(ended, starts)


UNKNOWN_CYCLE = Cycle("", 1)


def cycle_of(pricing: PlanPricing) -> Cycle:
    """Return how often a price is paid."""
    return Cycle(pricing.interval, pricing.interval_count)


def _days_after(ended: datetime, month: datetime) -> set[int]:
    """Return on which days of a month a period can begin, after one has ended on a day of another.

    The last day of a month can stand for any later one: what is paid on the 31st is paid on the 30th where the month
    has no more.
    """
    last = calendar.monthrange(month.year, month.month)[1]
    is_last = ended.day == calendar.monthrange(ended.year, ended.month)[1]
    return {min(day, last) for day in (range(ended.day, 32) if is_last else [ended.day])}
