"""Take units out of what is allowed, so that ``used + reserved`` never exceeds it, however many take at once.

One statement is enough as a rule: an UPDATE whose condition is the limit. It applies where no threshold is passed; the
one that passes a threshold compares with what it has read, so that exactly one caller signals it. Whoever these
conditions turn away locks the counter's row and looks closely. No other row of the table is locked, but where use goes
on in another period: the counters of the earlier one then, too (see ``carrying``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, F, Value
from django.utils import timezone

from django_stripe_gateway.choices import ReservationState
from django_stripe_gateway.models import UsageCounter, UsageReservation
from django_stripe_gateway.services.usage.allowances import Allowance, ceiling_of
from django_stripe_gateway.services.usage.carrying import Carried, Counted, carried_into
from django_stripe_gateway.services.usage.grants import draw_grants, put_back_grants
from django_stripe_gateway.services.usage.periods import ESTIMATE_MARGIN, FAR_FUTURE, as_aware, as_stored
from django_stripe_gateway.services.usage.thresholds import passed_thresholds, threshold_values
from django_stripe_gateway.services.usage.transactions import Collision, insert_if_absent, usage_database

# A limit beyond it cannot be reached, and added to what a counter has drawn it must stay within the database's numbers.
LARGEST_SUMMAND = 2**62


@dataclass(frozen=True, slots=True)
class Held:
    """A locked counter, the limit, and what other periods add to it: no more than that while the lock is held."""

    counter: UsageCounter
    base: int | None
    carried: Carried


@dataclass(frozen=True, slots=True)
class Taken:
    """By how much use has changed, as the database has it, with what other periods add to it."""

    before: int
    after: int


def take(owner: Any, allowance: Allowance, quantity: int, *, was_nested: bool) -> Taken | None:
    """Use ``quantity``; return ``None`` when it is not allowed.

    Args:
        was_nested: the transaction is the caller's own and cannot be tried again.

    Raises:
        Collision: another process has just made the counter, or use goes to another one since.
    """
    if allowance.open_elsewhere is not None:
        return take_locked(owner, allowance, quantity, was_nested=was_nested)
    if allowance.counter is not None:
        return _take_at_once(allowance, allowance.counter, quantity) or take_locked(
            owner, allowance, quantity, was_nested=was_nested
        )
    is_enough = allowance.ceiling is None or quantity <= allowance.ceiling
    if is_enough and insert_if_absent(new_counter(owner, allowance, used=quantity)):
        return Taken(allowance.carried.used, allowance.carried.used + quantity)
    if is_enough and not was_nested:
        # MariaDB has given us a shared lock on the other's row; to want more of it now would be a deadlock.
        raise Collision
    return take_locked(owner, allowance, quantity, was_nested=was_nested)


def take_locked(owner: Any, allowance: Allowance, quantity: int, *, was_nested: bool) -> Taken | None:
    """Use ``quantity`` with the counter's row locked, expired reservations freed and grants drawn on."""
    return take_held(lock_counter(owner, allowance, was_nested=was_nested), quantity)


def take_held(held: Held, quantity: int, *, reserve: bool = False) -> Taken | None:
    """Use or reserve ``quantity`` of a locked counter, expired reservations freed and grants drawn on."""
    counter, ceiling = held.counter, ceiling_of(held.base, held.carried)
    if expire_reservations(counter):
        put_back_grants(counter, ceiling)
    if ceiling is not None:
        missing = counter.used + counter.reserved + quantity - ceiling - counter.extra
        if missing > 0:
            if not draw_grants(counter.owner_id, counter.metric, missing):
                save_counter(counter)
                return None
            counter.extra += missing
    before = counter.used + held.carried.used
    if reserve:
        counter.reserved += quantity
    else:
        counter.used += quantity
    save_counter(counter)
    return Taken(before, counter.used + held.carried.used)


def lock_counter(owner: Any, allowance: Allowance, *, was_nested: bool) -> Held:
    """Return the counter of the allowance's period with its row locked, made if it is not there, and open.

    Raises:
        Collision: another process has just made it, use goes to another one since, or there is no such owner any more.
    """
    rows = UsageCounter.objects.using(usage_database())
    wanted = rows.filter(owner_id=owner.pk, metric=allowance.metric, period_key=allowance.window.key)
    carried = allowance.carried
    if allowance.open_elsewhere is not None:
        carried = _close(allowance, allowance.open_elsewhere)
    counter, is_new = wanted.select_for_update().first(), False
    if counter is None:
        is_new = insert_if_absent(new_counter(owner, allowance))
        if not is_new and not was_nested:
            raise Collision
        counter = wanted.select_for_update().first()
    if counter is None:
        # The INSERT IGNORE of MariaDB passes over an owner that is missing, too.
        raise Collision
    if _is_exclusive(allowance) and not is_new:
        if allowance.open_elsewhere is not None and not counter.is_open:
            counter.is_open, counter.reopened = True, counter.reopened + 1
            counter.current_until = as_stored(FAR_FUTURE)
            counter.save(using=usage_database(), update_fields=["is_open", "reopened", "current_until"])
        elif allowance.counter is None or not counter.is_open or counter.reopened != allowance.counter.reopened:
            # Use has gone to another one since we read, and perhaps come back: what is carried is not what we know.
            raise Collision
    return Held(counter, allowance.base, carried)


def _close(allowance: Allowance, opened: Counted) -> Carried:
    """Lock what counts in the allowance's period, close the ``opened`` one, and return what is carried of all.

    Raises:
        Collision: it was closed already.
    """
    ends = {one.pk: one.ends for one in (*allowance.carried.counters, opened)}
    # All of them in one order, the allowance's own included.
    own = set() if allowance.counter is None else {allowance.counter.pk}
    rows = UsageCounter.objects.using(usage_database()).select_for_update().order_by("pk")
    locked = {row.pk: row for row in rows.filter(pk__in=ends.keys() | own)}
    closing = locked.get(opened.pk)
    if closing is None or not closing.is_open or closing.reopened != opened.reopened:
        raise Collision
    closing.is_open = None
    closing.current_until = as_stored((opened.ends or as_aware(closing.starts)) + ESTIMATE_MARGIN)
    closing.save(using=usage_database(), update_fields=["is_open", "current_until"])
    now = as_aware(timezone.now())
    found = carried_into(allowance.window, (Counted.of(locked[pk], ends[pk]) for pk in ends if pk in locked), now)
    for one in found.counters:
        if expire_reservations(locked[one.pk]):
            save_numbers(locked[one.pk])
    return carried_into(allowance.window, (Counted.of(locked[pk], ends[pk]) for pk in ends if pk in locked), now)


def _is_exclusive(allowance: Allowance) -> bool:
    return allowance.window.carries_since is not None


def lock_used(allowance: Allowance) -> list[UsageCounter]:
    """Return what counts in the allowance's period with its rows locked: its own counter first, then the newest."""
    own = () if allowance.counter is None else (allowance.counter,)
    wanted = [one.pk for one in (*own, *allowance.carried.counters)]
    rows = UsageCounter.objects.using(usage_database()).select_for_update().order_by("pk")
    locked = {row.pk: row for row in rows.filter(pk__in=wanted)}
    return [locked[pk] for pk in wanted if pk in locked]


def give_back(counter: UsageCounter, allowance: Allowance, quantity: int) -> None:
    """Take ``quantity`` out of what was used of a locked counter, and put back the grants that it freed."""
    counter.used -= quantity
    put_back_grants(counter, base_of(counter, allowance))
    save_numbers(counter)


def base_of(counter: UsageCounter, allowance: Allowance) -> int | None:
    """Return the limit of a counter that is the allowance's, or another period's that may count in it."""
    return allowance.ceiling if counter.period_key == allowance.window.key else allowance.base


def save_counter(counter: UsageCounter) -> None:
    """Write the numbers of a counter whose row is locked."""
    counter.modified = timezone.now()
    counter.save(using=usage_database(), update_fields=["used", "reserved", "extra", "modified"])


def save_numbers(counter: UsageCounter) -> None:
    """Write the numbers of a counter whose row is locked and which was not used now."""
    counter.save(using=usage_database(), update_fields=["used", "reserved", "extra"])


def new_counter(owner: Any, allowance: Allowance, used: int = 0) -> UsageCounter:
    """Return the counter of a period that has none yet."""
    window, is_exclusive = allowance.window, _is_exclusive(allowance)
    return UsageCounter(
        owner_id=owner.pk,
        metric=allowance.metric,
        period=allowance.period,
        period_key=window.key,
        starts=as_stored(window.starts),
        ends=window.ends and as_stored(window.ends),
        item_id=window.item_id,
        # An open one is asked for until it is closed, however its period is prolonged.
        current_until=as_stored(FAR_FUTURE if is_exclusive else window.current_until),
        is_open=True if is_exclusive else None,
        used=used,
        modified=timezone.now(),
    )


def _take_at_once(allowance: Allowance, counter: Counted, quantity: int) -> Taken | None:
    """Use ``quantity`` with one conditional UPDATE; return ``None`` when its conditions do not hold."""
    carried, ceiling = allowance.carried.used, allowance.ceiling
    before, after = carried + counter.used, carried + counter.used + quantity
    changes: dict[str, Any] = {"used": F("used") + quantity, "modified": timezone.now()}
    rows = UsageCounter.objects.using(usage_database()).filter(pk=counter.pk)
    if _is_exclusive(allowance):
        rows = rows.filter(is_open=True, reopened=counter.reopened)
        if (counter.ends, counter.item_id) != (allowance.window.ends, allowance.window.item_id):
            changes["ends"] = allowance.window.ends and as_stored(allowance.window.ends)
            changes["item_id"] = allowance.window.item_id
    if ceiling is not None:
        # Sums on both sides: MariaDB's unsigned numbers have no differences below zero.
        asked = F("used") + F("reserved") + Value(quantity + max(0, -ceiling), output_field=BigIntegerField())
        allowed = F("extra") + Value(min(max(0, ceiling), LARGEST_SUMMAND), output_field=BigIntegerField())
        rows = rows.alias(asked=asked, allowed=allowed).filter(asked__lte=F("allowed"))
        if passed_thresholds(allowance.base, before, after):
            rows = rows.filter(used=counter.used)
        else:
            # Whoever has counted since we looked may have come near the next threshold.
            values = [value - carried for _percent, value in threshold_values(allowance.base)]
            above = [value for value in values if value > counter.used]
            below = [value for value in values if value <= counter.used]
            if above:
                rows = rows.filter(used__lt=above[0] - quantity)
            if below:
                rows = rows.filter(used__gte=below[-1])
    if not rows.update(**changes):
        return None
    return Taken(before, after)


def expire_reservations(counter: UsageCounter) -> bool:
    """Free the units of the locked ``counter`` whose reservations have expired; the caller saves it, if there were any.

    It happens when somebody needs the units, and with each new reservation. Until then they are only counted as free.
    """
    now = timezone.now()
    rows = UsageReservation.objects.using(usage_database())
    held = rows.filter(counter=counter, state=ReservationState.HELD, expires__lte=now)
    expired = dict(held.values_list("pk", "quantity"))
    if not expired:
        return False
    rows.filter(pk__in=expired).update(state=ReservationState.EXPIRED, modified=now)
    counter.reserved -= sum(expired.values())
    return True
