"""What may be used of one metric in one period, and the error for asking for more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.services.usage.periods import Window, as_aware, as_stored


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter as it was read."""

    pk: int
    used: int
    reserved: int
    extra: int
    expired: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an owner may use of one metric in the period of now.

    Args:
        base: the limit of plan or override, ``None`` for none.
        granted: units of grants that can still be drawn, beside those that this period has drawn already.
    """

    metric: str
    base: int | None
    period: str
    window: Window
    counter: Counted | None = None
    granted: int = 0

    @property
    def is_unlimited(self) -> bool:
        """Whether everything is allowed."""
        return self.base is None

    @property
    def used(self) -> int:
        """What was used in this period."""
        return self.counter.used if self.counter else 0

    @property
    def reserved(self) -> int:
        """What is kept free for work under way; reservations that have expired not counted."""
        return self.counter.reserved - self.counter.expired if self.counter else 0

    @property
    def limit(self) -> int | None:
        """What is allowed in this period, grants included; ``None`` for no limit."""
        if self.base is None:
            return None
        return self.base + (self.counter.extra if self.counter else 0) + self.granted

    @property
    def remaining(self) -> int | None:
        """What can still be used, never below 0; ``None`` for no limit."""
        limit = self.limit
        return None if limit is None else max(0, limit - self.used - self.reserved)

    @property
    def resets_at(self) -> datetime | None:
        """When it starts from zero again, ``None`` for never."""
        return None if self.window.ends is None else as_stored(self.window.ends)

    def allows(self, quantity: int) -> bool:
        """Return whether that much can be used now."""
        remaining = self.remaining
        return remaining is None or quantity <= remaining


def limit_exceeded(allowance: Allowance) -> UsageLimitExceeded:
    """Return the error for a request of more than the allowance has left."""
    extra: dict[str, Any] = {}
    if allowance.window.ends is not None:
        seconds = (allowance.window.ends - as_aware(timezone.now())).total_seconds()
        extra["retry_after"] = max(1, math.ceil(seconds))
    return UsageLimitExceeded(
        _("Your plan does not allow that many %(metric)s now: %(remaining)d of %(limit)d are left.")
        % {"metric": allowance.metric, "remaining": allowance.remaining or 0, "limit": allowance.limit or 0},
        metric=allowance.metric,
        limit=allowance.limit or 0,
        remaining=allowance.remaining or 0,
        resets_at=allowance.resets_at,
        **extra,
    )
