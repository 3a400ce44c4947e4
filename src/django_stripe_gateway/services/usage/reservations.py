"""Keep units free for work whose cost is known when it is done."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from django_stripe_gateway.choices import ReservationState, UsageKind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayError,
    IdempotencyKeyReused,
    ReservationExpired,
    UnknownReservation,
    UsageLimitExceeded,
    WrongState,
)
from django_stripe_gateway.models import UsageCounter, UsageReservation
from django_stripe_gateway.services.usage.allowances import Allowance, limit_exceeded
from django_stripe_gateway.services.usage.counters import base_of, lock_counter, save_counter, take_held, take_locked
from django_stripe_gateway.services.usage.entitlements import Entitlements, Reading, read_allowance
from django_stripe_gateway.services.usage.grants import put_back_grants
from django_stripe_gateway.services.usage.ledger import add_record, new_record, stored_key, whole_quantity
from django_stripe_gateway.services.usage.thresholds import announce_thresholds
from django_stripe_gateway.services.usage.transactions import insert_if_absent, run_counted, usage_database


def reserve(
    owner: Any,
    metric: str,
    quantity: int = 1,
    *,
    expires_in: timedelta | None = None,
    idempotency_key: str | None = None,
) -> UsageReservation:
    """Keep ``quantity`` free until it is committed or released, or the time is up.

    Args:
        quantity: whole units, from 1: as much as the work can cost.
        expires_in: how long to keep it, ``STRIPE_GATEWAY_USAGE_RESERVATION_SECONDS`` by default.
        idempotency_key: a repeated call with it returns the first one's reservation.

    Raises:
        UsageLimitExceeded: the plan does not allow that much.
        IdempotencyKeyReused: the key belongs to another call.
        InvalidQuantity, UnknownMetric: the input is wrong.
    """
    quantity = whole_quantity(quantity)
    key = stored_key(idempotency_key)
    if expires_in is None:
        expires_in = timedelta(seconds=gateway_settings.usage_reservation_seconds)

    def change(found: Reading, was_nested: bool) -> UsageReservation | Allowance:
        _entitlements, allowed = found
        held = lock_counter(owner, allowed, was_nested=was_nested)
        earlier = _find(owner, key)
        if earlier is not None:
            return earlier
        now = timezone.now()
        reservation = UsageReservation(
            owner_id=owner.pk,
            counter=held.counter,
            metric=metric,
            quantity=quantity,
            key=key,
            expires=now + expires_in,
            created=now,
            modified=now,
        )
        if take_held(held, quantity, reserve=True) is None:
            return read_allowance(owner, metric)[1]
        if not insert_if_absent(reservation):
            # The same key at the same moment for another metric, whose counter is not locked here.
            _free(held.counter, quantity, allowed)
            return _find(owner, key) or allowed
        return reservation

    outcome = run_counted(lambda: read_allowance(owner, metric), change)
    if isinstance(outcome, Allowance):
        raise limit_exceeded(outcome)
    if (outcome.metric, outcome.quantity) != (metric, quantity):
        raise IdempotencyKeyReused(_("This idempotency key was used for something else. Use a new one."))
    return outcome


def commit(
    reservation: UsageReservation | uuid.UUID | str, quantity: int | None = None, *, owner: Any = None
) -> UsageReservation:
    """Use what was reserved: all of it, or ``quantity``; the rest is free again. Twice is as good as once.

    Args:
        reservation: the reservation or its id.
        quantity: what the work cost, from 0. What is more than was reserved must be allowed like any other use.
        owner: whose it must be, if its id came from outside.

    Raises:
        ReservationExpired: it was kept no longer; ``consume`` instead.
        UsageLimitExceeded: it was more than reserved, and that is not allowed; the reservation is still held.
        WrongState: it was released, or committed with another quantity.
        UnknownReservation: there is none, or it is another owner's.
    """
    if quantity is not None:
        quantity = whole_quantity(quantity, least=0)

    def settle(
        row: UsageReservation, counter: UsageCounter, found: Reading, was_nested: bool
    ) -> GatewayError | UsageReservation:
        entitlements, allowed = found
        cost = row.quantity if quantity is None else quantity
        if row.state == ReservationState.COMMITTED and row.used == cost:
            return row
        problem = _why_not_held(row)
        if problem is not None:
            return problem
        within, above = min(cost, row.quantity), max(0, cost - row.quantity)
        carried = allowed.carried.used
        before = carried + counter.used
        if above:
            taken = take_locked(row.owner, allowed, above, was_nested=was_nested)
            if taken is None:
                return limit_exceeded(read_allowance(row.owner, row.metric)[1])
            counter.refresh_from_db(using=usage_database())
            if allowed.window.key != counter.period_key:
                announce_thresholds(row.owner, allowed, before=taken.before, after=taken.after)
                before = carried + counter.used
        counter.reserved -= row.quantity
        counter.used += within
        put_back_grants(counter, base_of(counter, allowed))
        save_counter(counter)
        _close(row, ReservationState.COMMITTED, used=cost)
        _add_records(row, entitlements, allowed, counter, within, above)
        if allowed.window.key == counter.period_key:
            announce_thresholds(row.owner, allowed, before=before, after=carried + counter.used)
        return row

    return _settle(reservation, owner, settle)


def release(reservation: UsageReservation | uuid.UUID | str, *, owner: Any = None) -> UsageReservation:
    """Free reserved units. Twice is as good as once, and so is releasing what has expired.

    Raises:
        WrongState: they were used.
        UnknownReservation: there is none, or it is another owner's.
    """

    def settle(
        row: UsageReservation, counter: UsageCounter, found: Reading, was_nested: bool
    ) -> GatewayError | UsageReservation:
        if row.state == ReservationState.COMMITTED:
            return WrongState(_("What was reserved has been used. Refund it instead."))
        if row.state == ReservationState.HELD:
            _free(counter, row.quantity, found[1])
            _close(row, ReservationState.RELEASED)
        return row

    return _settle(reservation, owner, settle)


@dataclass(slots=True)
class Work:
    """Work under way in ``reserved``; set ``cost`` when it is known, else all that was reserved is used."""

    reservation: UsageReservation
    cost: int | None = None


@contextmanager
def reserved(
    owner: Any,
    metric: str,
    quantity: int = 1,
    *,
    expires_in: timedelta | None = None,
    idempotency_key: str | None = None,
) -> Iterator[Work]:
    """Reserve for a block of work: commit its cost at the end, release everything if it raises.

    Raises:
        UsageLimitExceeded: the plan does not allow that much; the block is not entered.
    """
    reservation = reserve(owner, metric, quantity, expires_in=expires_in, idempotency_key=idempotency_key)
    work = Work(reservation)
    try:
        yield work
    except BaseException:
        release(reservation)
        raise
    try:
        commit(reservation, work.cost)
    except UsageLimitExceeded:
        # The work is done: what was reserved for it is used, whatever the rest cost.
        commit(reservation)
        raise


def _settle(
    reservation: UsageReservation | uuid.UUID | str,
    owner: Any,
    settle: Callable[[UsageReservation, UsageCounter, Reading, bool], GatewayError | UsageReservation],
) -> UsageReservation:
    known = _read_reservation(reservation, owner)

    def change(found: Reading, was_nested: bool) -> GatewayError | UsageReservation:
        # The counter first, as everywhere.
        counter = UsageCounter.objects.using(usage_database()).select_for_update().get(pk=known.counter_id)
        row = _rows().select_for_update().get(pk=known.pk)
        row.owner = known.owner
        return settle(row, counter, found, was_nested)

    outcome = run_counted(lambda: read_allowance(known.owner, known.metric), change)
    if isinstance(outcome, GatewayError):
        raise outcome
    return outcome


def _read_reservation(reservation: UsageReservation | uuid.UUID | str, owner: Any) -> UsageReservation:
    try:
        pk = reservation.pk if isinstance(reservation, UsageReservation) else uuid.UUID(str(reservation))
    except ValueError:
        pk = None
    rows = _rows().select_related("owner").filter(pk=pk)
    found: UsageReservation | None = (rows if owner is None else rows.filter(owner_id=owner.pk)).first()
    if found is None:
        raise UnknownReservation(_("There is no such reservation."))
    return found


def _why_not_held(row: UsageReservation) -> GatewayError | None:
    if row.is_held:
        return None
    if row.state in (ReservationState.HELD, ReservationState.EXPIRED):
        return ReservationExpired(_("The reservation has expired, and its units are free again."))
    return WrongState(_("This reservation has been settled already."))


def _free(counter: UsageCounter, quantity: int, allowed: Allowance) -> None:
    counter.reserved -= quantity
    put_back_grants(counter, base_of(counter, allowed))
    save_counter(counter)


def _close(row: UsageReservation, state: str, used: int = 0) -> None:
    row.state, row.used, row.modified = state, used, timezone.now()
    row.save(using=usage_database(), update_fields=["state", "used", "modified"])


def _add_records(
    row: UsageReservation,
    entitlements: Entitlements,
    allowed: Allowance,
    counter: UsageCounter,
    within: int,
    above: int,
) -> None:
    """Add the ledger's lines: one for what was reserved, in its own period, and one for what was more, in this one."""
    for period_key, quantity in ((counter.period_key, within), (allowed.window.key, above)):
        if quantity:
            add_record(new_record(row.owner, entitlements, allowed, UsageKind.COMMIT, quantity, period_key=period_key))


def _find(owner: Any, key: str | None) -> UsageReservation | None:
    return None if key is None else _rows().filter(owner_id=owner.pk, key=key).first()


def _rows() -> Any:
    return UsageReservation.objects.using(usage_database())
