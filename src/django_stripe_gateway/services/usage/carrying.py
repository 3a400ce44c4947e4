"""What was used stays used: nobody starts anew by leaving and coming back, or by switching.

Use is counted in the period in which it happens, and that period has an end. The periods of a renewed subscription, and
the months of those who have none, follow each other, and each starts from zero. But a period can be cut short: by
subscribing in the middle of a month, by cancelling at once and subscribing again, by a change from monthly to yearly or
back, by a trial that is ended early, by another billing anchor, after a pause. What was used of it then goes on to
count in the period that takes its place, *until the period that was cut short would have been over*:

- whoever pays for a higher plan has that plan's limit, less what was used;
- a renewal starts from zero, since it is paid for by itself: of other periods it takes over only what was used while
  it was running;
- a period whose end moves while its start is kept, like that of a trial that is extended, is still the one period;
- a month without a subscription takes over what was used in this month and in the one before it, so that a year's use
  does not stand against the default plan for a year.

Stigg, which lets its users choose, calls that *never reset usage upon plan transition* (changelog.stigg.io). To reset
with each transition, or with each other billing anchor, makes a limit endless where more is refused and not billed.
``month`` and ``billing_period`` count as one kind here; days, weeks and what never ends have one period at a time,
whatever is subscribed to.

So that it holds however many use at once, one counter of an owner and metric is *open*, by a constraint of the
database. Whoever finds another one open closes it under the rows' locks before counting in theirs; a closed counter
does not grow, and whoever still thinks it open has to read again; so has who finds it opened anew since.

When a counter's period ends is what its subscription says now, even if that has ended meanwhile and nobody used
anything since the end moved (see ``entitlement_query``). ``learn_period`` keeps it in the counter, because a
subscription that goes on to another period forgets the one before. What is paid beside the plan can have a period of
its own, such as the first month of an add-on in a plan's year: both begin together, so a counter knows whose it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db.models import Case, F, When

from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.models import UsageCounter
from django_stripe_gateway.services.usage.periods import ESTIMATE_MARGIN, Window, as_aware, as_stored, paid_key
from django_stripe_gateway.services.usage.transactions import usage_database

# Kinds whose periods are cut short and overlap.
CARRYING = (LimitPeriod.MONTH, LimitPeriod.BILLING_PERIOD)


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter as it was read.

    Args:
        expired: the part of ``reserved`` whose time is up.
        ends: the end of its period as it is known now, which may be later than when it was last used.
        item_id: of the item whose period it is, as ``Window`` has it.
        last_used: when it last changed.
        reopened: how often use has come back to it, by which it is seen that others have grown meanwhile.
    """

    pk: int
    period: str
    key: str
    used: int
    reserved: int
    extra: int
    expired: int
    ends: datetime | None
    last_used: datetime
    is_open: bool
    reopened: int
    item_id: str = ""

    @classmethod
    def of(cls, row: UsageCounter, ends: datetime | None) -> Self:
        """Return a row that was just locked, its expired reservations freed, with the end that is known now."""
        return cls(
            pk=row.pk,
            period=row.period,
            key=row.period_key,
            used=row.used,
            reserved=row.reserved,
            extra=row.extra,
            expired=0,
            ends=ends,
            last_used=as_aware(row.modified),
            is_open=bool(row.is_open),
            reopened=row.reopened,
            item_id=row.item_id,
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """What other periods add to this one; ``counters`` are theirs, the newest first."""

    counters: tuple[Counted, ...] = ()

    @property
    def used(self) -> int:
        """What was used in them."""
        return sum(one.used for one in self.counters)

    @property
    def reserved(self) -> int:
        """What is kept free in them for work under way."""
        return sum(one.reserved - one.expired for one in self.counters)

    @property
    def extra(self) -> int:
        """What they have drawn out of grants."""
        return sum(one.extra for one in self.counters)

    @property
    def first_end(self) -> datetime | None:
        """When the first of them that holds something is over."""
        return min((one.ends for one in self.counters if one.ends and one.used + one.reserved), default=None)


NOTHING = Carried()


def carried_into(window: Window, others: Iterable[Counted], now: datetime) -> Carried:
    """Return what counts in ``window`` although it was used in other periods of the same metric."""
    since = window.carries_since
    if since is None:
        return NOTHING
    current = (one for one in others if one.period in CARRYING and one.ends is not None and one.ends > now)
    carried = [one for one in current if one.last_used >= since]
    return Carried(tuple(sorted(carried, key=lambda one: one.pk, reverse=True)))


def learn_period(owner_pk: Any, starts: datetime, ends: datetime, item_ids: Collection[str] = ("",)) -> None:
    """Let the counters of a paid period know its end: it was an estimate, or it has been moved.

    Args:
        item_ids: of the items that have this period, as counters keep them; empty for the subscription.
    """
    rows = UsageCounter.objects.using(usage_database()).filter(owner_id=owner_pk, period_key=paid_key(as_aware(starts)))
    rows = rows.filter(item_id__in=item_ids)
    closed_until = as_stored(as_aware(ends) + ESTIMATE_MARGIN)
    rows.update(ends=ends, current_until=Case(When(is_open=True, then=F("current_until")), default=closed_until))
