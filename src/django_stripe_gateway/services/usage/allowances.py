"""What may be used of one metric in one period, and the error for asking for more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.services.usage.carrying import NOTHING, Carried, Counted
from django_stripe_gateway.services.usage.periods import Window, as_aware, as_stored


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an owner may use of one metric in the period of now.

    Args:
        base: the limit of plans or override, ``None`` for none.
        granted: units of grants that can still be drawn, beside those that this period has drawn already.
        carried: what was used in other periods and counts in this one.
        open_elsewhere: the counter of another period, over or not, that is still the one use goes to.
        is_uncollected: it is charged by use, and a pause lets nobody pay for that.
    """

    metric: str
    base: int | None
    period: str
    window: Window
    counter: Counted | None = None
    granted: int = 0
    carried: Carried = NOTHING
    open_elsewhere: Counted | None = None
    is_uncollected: bool = False

    @property
    def is_unlimited(self) -> bool:
        """Whether everything is allowed."""
        return self.base is None

    @property
    def used(self) -> int:
        """What was used in this period, and in others that count in it."""
        return self.carried.used + (self.counter.used if self.counter else 0)

    @property
    def reserved(self) -> int:
        """What is kept free for work under way; reservations that have expired not counted."""
        return self.carried.reserved + (self.counter.reserved - self.counter.expired if self.counter else 0)

    @property
    def limit(self) -> int | None:
        """What is allowed in this period, grants included; ``None`` for no limit."""
        if self.base is None:
            return None
        return self.base + self.carried.extra + (self.counter.extra if self.counter else 0) + self.granted

    @property
    def ceiling(self) -> int | None:
        """What the counter may come to without what it has drawn of grants, below 0 where more is carried."""
        return ceiling_of(self.base, self.carried)

    @property
    def remaining(self) -> int | None:
        """What can still be used, never below 0; ``None`` for no limit."""
        limit = self.limit
        return None if limit is None else max(0, limit - self.used - self.reserved)

    @property
    def resets_at(self) -> datetime | None:
        """When it starts from zero again, ``None`` for never."""
        return None if self.window.ends is None else as_stored(self.window.ends)

    @property
    def more_at(self) -> datetime | None:
        """When more may be left than now, ``None`` for never: what is carried ends earlier than the period itself."""
        ends = self.window.ends
        return ends if ends is None else min(ends, self.carried.first_end or ends)

    def allows(self, quantity: int) -> bool:
        """Return whether that much can be used now."""
        remaining = self.remaining
        return remaining is None or quantity <= remaining


def ceiling_of(base: int | None, carried: Carried) -> int | None:
    """Return what remains of a limit for a counter beside what is carried into its period."""
    return None if base is None else base + carried.extra - carried.used - carried.reserved


def limit_exceeded(allowance: Allowance) -> UsageLimitExceeded:
    """Return the error for a request of more than the allowance has left."""
    extra: dict[str, Any] = {}
    sentence = _("Your plan does not allow that many %(metric)s now: %(remaining)d of %(limit)d are left.")
    if allowance.is_uncollected:
        # When the pause ends is nobody's promise.
        sentence = _("%(metric)s are charged by use, which is not possible while your subscription is paused.")
    elif allowance.more_at is not None:
        seconds = (allowance.more_at - as_aware(timezone.now())).total_seconds()
        extra["retry_after"] = max(1, math.ceil(seconds))
    return UsageLimitExceeded(
        sentence % {"metric": allowance.metric, "remaining": allowance.remaining or 0, "limit": allowance.limit or 0},
        metric=allowance.metric,
        limit=allowance.limit or 0,
        remaining=allowance.remaining or 0,
        resets_at=allowance.resets_at,
        **extra,
    )
