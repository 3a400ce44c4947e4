"""Take units out of what is allowed, so that ``used + reserved`` never exceeds it, however many take at once.

One statement is enough as a rule: an UPDATE whose condition is the limit. It applies where no threshold is passed; the
one that passes a threshold compares with what it has read, so that exactly one caller signals it. Whoever these
conditions turn away locks the counter's row and looks closely. No other row of the table is locked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, F, Value
from django.utils import timezone

from django_stripe_gateway.choices import ReservationState
from django_stripe_gateway.models import UsageCounter, UsageReservation
from django_stripe_gateway.services.usage.allowances import Allowance, Counted
from django_stripe_gateway.services.usage.grants import draw_grants, put_back_grants
from django_stripe_gateway.services.usage.periods import as_stored
from django_stripe_gateway.services.usage.thresholds import passed_thresholds, threshold_values
from django_stripe_gateway.services.usage.transactions import Collision, insert_if_absent, usage_database


@dataclass(frozen=True, slots=True)
class Taken:
    """By how much a counter's ``used`` has changed, as the database has it."""

    before: int
    after: int


def take(owner: Any, allowance: Allowance, quantity: int, *, was_nested: bool) -> Taken | None:
    """Use ``quantity``; return ``None`` when it is not allowed.

    Args:
        was_nested: the transaction is the caller's own and cannot be tried again.

    Raises:
        Collision: another process has just made the counter.
    """
    if allowance.counter is not None:
        return _take_at_once(allowance, allowance.counter, quantity) or take_locked(
            owner, allowance, quantity, was_nested=was_nested
        )
    is_enough = allowance.base is None or quantity <= allowance.base
    if is_enough and insert_if_absent(new_counter(owner, allowance, used=quantity)):
        return Taken(0, quantity)
    if is_enough and not was_nested:
        # MariaDB has given us a shared lock on the other's row; to want more of it now would be a deadlock.
        raise Collision
    return take_locked(owner, allowance, quantity, was_nested=was_nested)


def take_locked(
    owner: Any, allowance: Allowance, quantity: int, *, was_nested: bool, reserve: bool = False
) -> Taken | None:
    """Use or reserve ``quantity`` with the counter's row locked, expired reservations freed and grants drawn on."""
    counter = lock_counter(owner, allowance, was_nested=was_nested)
    _expire_reservations(counter, allowance.base)
    if allowance.base is not None:
        missing = counter.used + counter.reserved + quantity - allowance.base - counter.extra
        if missing > 0:
            if not draw_grants(owner, allowance.metric, missing):
                save_counter(counter)
                return None
            counter.extra += missing
    before = counter.used
    if reserve:
        counter.reserved += quantity
    else:
        counter.used += quantity
    save_counter(counter)
    return Taken(before, counter.used)


def lock_counter(owner: Any, allowance: Allowance, *, was_nested: bool) -> UsageCounter:
    """Return the counter of the allowance's period with its row locked, made if it is not there.

    Raises:
        Collision: another process has just made it, or there is no such owner any more.
    """
    counters = UsageCounter.objects.using(usage_database())
    wanted = counters.filter(owner_id=owner.pk, metric=allowance.metric, period_key=allowance.window.key)
    counter = wanted.select_for_update().first()
    if counter is None:
        if not insert_if_absent(new_counter(owner, allowance)) and not was_nested:
            raise Collision
        counter = wanted.select_for_update().first()
    if counter is None:
        # The INSERT IGNORE of MariaDB passes over an owner that is missing, too.
        raise Collision
    return counter


def save_counter(counter: UsageCounter) -> None:
    """Write the numbers of a counter whose row is locked."""
    counter.modified = timezone.now()
    counter.save(using=usage_database(), update_fields=["used", "reserved", "extra", "modified"])


def new_counter(owner: Any, allowance: Allowance, used: int = 0) -> UsageCounter:
    """Return the counter of a period that has none yet."""
    return UsageCounter(
        owner_id=owner.pk,
        metric=allowance.metric,
        period=allowance.period,
        period_key=allowance.window.key,
        starts=as_stored(allowance.window.starts),
        current_until=as_stored(allowance.window.current_until),
        used=used,
    )


def _take_at_once(allowance: Allowance, counter: Counted, quantity: int) -> Taken | None:
    """Use ``quantity`` with one conditional UPDATE; return ``None`` when its conditions do not hold."""
    after = counter.used + quantity
    rows = UsageCounter.objects.using(usage_database()).filter(pk=counter.pk)
    if allowance.base is not None:
        # Sums on both sides: MariaDB's unsigned numbers have no differences below zero.
        asked = F("used") + F("reserved") + Value(quantity, output_field=BigIntegerField())
        allowed = F("extra") + Value(allowance.base, output_field=BigIntegerField())
        rows = rows.alias(asked=asked, allowed=allowed).filter(asked__lte=F("allowed"))
        if passed_thresholds(allowance.base, counter.used, after):
            rows = rows.filter(used=counter.used)
        else:
            # Whoever has counted since we looked may have come near the next threshold.
            values = [value for _percent, value in threshold_values(allowance.base)]
            above = [value for value in values if value > counter.used]
            below = [value for value in values if value <= counter.used]
            if above:
                rows = rows.filter(used__lt=above[0] - quantity)
            if below:
                rows = rows.filter(used__gte=below[-1])
    if not rows.update(used=F("used") + quantity, modified=timezone.now()):
        return None
    return Taken(counter.used, after)


def _expire_reservations(counter: UsageCounter, base: int | None) -> None:
    """Free the units of the locked ``counter`` whose reservations have expired; the caller saves the counter.

    It happens when somebody needs the units, and with each new reservation. Until then they are only counted as free.
    """
    now = timezone.now()
    rows = UsageReservation.objects.using(usage_database())
    held = rows.filter(counter=counter, state=ReservationState.HELD, expires__lte=now)
    expired = dict(held.values_list("pk", "quantity"))
    if not expired:
        return
    rows.filter(pk__in=expired).update(state=ReservationState.EXPIRED, modified=now)
    counter.reserved -= sum(expired.values())
    put_back_grants(counter, base)
