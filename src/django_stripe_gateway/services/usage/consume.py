"""Use what a plan allows, ask what is left, and give back what was not needed."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from django_stripe_gateway.choices import UsageKind
from django_stripe_gateway.exceptions import RefundExceedsUse
from django_stripe_gateway.models import UsageRecord
from django_stripe_gateway.services.usage.allowances import Allowance, limit_exceeded
from django_stripe_gateway.services.usage.counters import give_back, lock_used, take
from django_stripe_gateway.services.usage.entitlements import (
    Entitlements,
    Reading,
    entitlements_of,
    read_allowance,
)
from django_stripe_gateway.services.usage.ledger import (
    add_record,
    find_record,
    new_record,
    remove_record,
    repeated,
    stored_key,
    whole_quantity,
)
from django_stripe_gateway.services.usage.thresholds import announce_thresholds
from django_stripe_gateway.services.usage.transactions import run_counted


def limits(owner: Any) -> Entitlements:
    """Return what ``owner`` may use now, one ``Allowance`` for each metric of the plan, in one query."""
    return entitlements_of(owner)


def allowance(owner: Any, metric: str) -> Allowance:
    """Return what ``owner`` may use of one metric now.

    Raises:
        UnknownMetric: no plan has it.
    """
    return read_allowance(owner, metric)[1]


def check(owner: Any, metric: str, quantity: int = 1) -> bool:
    """Return whether ``quantity`` can be used now, without using it; for a feature, whether the plan has it.

    Raises:
        InvalidQuantity: it is no whole number in range.
        UnknownMetric: no plan has the metric.
    """
    return allowance(owner, metric).allows(whole_quantity(quantity))


def require(owner: Any, metric: str, quantity: int = 1) -> None:
    """Raise what ``consume`` would raise, without using anything.

    Raises:
        UsageLimitExceeded: the plan does not allow that much.
    """
    quantity = whole_quantity(quantity)
    found = allowance(owner, metric)
    if not found.allows(quantity):
        raise limit_exceeded(found)


def consume(owner: Any, metric: str, quantity: int = 1, *, idempotency_key: str | None = None) -> UsageRecord:
    """Use ``quantity`` of what the plan allows, and return the ledger's line.

    It may be called inside of a transaction, and is undone with it.

    Args:
        quantity: whole units, from 1.
        idempotency_key: a repeated call with it returns the first one's line and uses nothing.

    Raises:
        UsageLimitExceeded: the plan does not allow that much; nothing was used.
        IdempotencyKeyReused: the key belongs to another call.
        InvalidQuantity, UnknownMetric: the input is wrong.
    """
    quantity = whole_quantity(quantity)
    key = stored_key(idempotency_key)

    def change(found: Reading, was_nested: bool) -> UsageRecord | Allowance:
        entitlements, allowed = found
        if not allowed.allows(quantity):
            return find_record(owner, key) or allowed
        record = new_record(owner, entitlements, allowed, UsageKind.CONSUME, quantity, key=key)
        # With a key the line comes first: it is what keeps a repeated call from counting.
        if key is not None and not add_record(record):
            return find_record(owner, key) or allowed
        taken = take(owner, allowed, quantity, was_nested=was_nested)
        if taken is None:
            if key is not None:
                remove_record(record)
            return read_allowance(owner, metric)[1]
        if key is None:
            add_record(record)
        announce_thresholds(owner, allowed, before=taken.before, after=taken.after)
        return record

    outcome = run_counted(lambda: read_allowance(owner, metric), change)
    if isinstance(outcome, Allowance):
        raise limit_exceeded(outcome)
    return repeated(outcome, UsageKind.CONSUME, metric, quantity)


def refund(owner: Any, metric: str, quantity: int = 1, *, idempotency_key: str | None = None) -> UsageRecord:
    """Give back use of the current period, such as of work that failed, or a seat that became free.

    What still counts of a period that was cut short can be given back, too. What was used in a period that is over
    cannot: its use counts for nothing any more.

    Raises:
        RefundExceedsUse: less than that was used.
        IdempotencyKeyReused: the key belongs to another call.
        InvalidQuantity, UnknownMetric: the input is wrong.
    """
    quantity = whole_quantity(quantity)
    key = stored_key(idempotency_key)

    def change(found: Reading, was_nested: bool) -> UsageRecord | None:
        entitlements, allowed = found
        earlier = find_record(owner, key)
        counters = lock_used(allowed)
        if earlier is not None or quantity > sum(counter.used for counter in counters):
            return find_record(owner, key)
        # The line is the period's that gives back first.
        period_key = next(counter.period_key for counter in counters if counter.used)
        record = new_record(owner, entitlements, allowed, UsageKind.REFUND, -quantity, key=key, period_key=period_key)
        if not add_record(record):
            return find_record(owner, key)
        missing = quantity
        for counter in counters:
            part = min(missing, counter.used)
            missing -= part
            if part:
                give_back(counter, allowed, part)
        return record

    outcome = run_counted(lambda: read_allowance(owner, metric), change)
    if outcome is None:
        raise RefundExceedsUse(_("Less than that was used in this period."))
    return repeated(outcome, UsageKind.REFUND, metric, -quantity)
