"""What a subscription's items cost: for a whole period, and for the rest of one after a change."""

from __future__ import annotations

import copy
import datetime
import decimal
import fractions

from tests.fake_stripe import invoice_objects, pricing, usage
from tests.fake_stripe.periods import period_end
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items, period


def full_amount(item: Object) -> int:
    """Return what an item costs for a whole period, in advance; a metered one nothing."""
    return 0 if usage.is_metered(item) else pricing.amount_of(item["price"], decimal.Decimal(item["quantity"]))


def period_lines(scope: Scope, subscription: Object, start: int, end: int) -> list[Object]:
    """Return the lines for a whole period in advance."""
    return [
        invoice_objects.line(scope, subscription, item, item["price"], full_amount(item), (start, end))
        for item in items(subscription)
        if not usage.is_metered(item)
    ]


def trial_lines(scope: Scope, subscription: Object, start: int, end: int) -> list[Object]:
    """Return the lines of a trial, which cost nothing."""
    return [
        invoice_objects.line(
            scope,
            subscription,
            item,
            item["price"],
            0,
            (start, end),
            description=f"Trial period for {invoice_objects.product_name(scope, item['price'])}",
        )
        for item in items(subscription)
    ]


def share(amount: int, part: int, whole: int) -> int:
    """Return the share of an amount for `part` of `whole` seconds, rounded to the smallest unit."""
    exact = fractions.Fraction(amount * max(0, part), max(1, whole))
    return int(exact + fractions.Fraction(1, 2))


def first_lines(scope: Scope, subscription: Object, start: int, end: int, *, prorate: bool) -> list[Object]:
    """Return the lines of a first period that an anchor cuts short."""
    lines = period_lines(scope, subscription, start, end)
    for line, item in zip(lines, items(subscription), strict=False):
        whole = period_end(start, start, item["price"]["recurring"]) - start
        line["amount"] = line["subtotal"] = share(line["amount"], end - start, whole) if prorate else 0
    return lines


def change_lines(scope: Scope, subscription: Object, before: list[Object], at: int) -> list[Object]:
    """Return the credits for items as they were, and the charges for items as they are, from `at` to the period's end.

    `before` are copies of the items before the change; what did not change is left out.
    """
    start, end = period({"items": {"data": before}})
    by_id = {item["id"]: item for item in items(subscription)}
    changed: list[tuple[int, Object]] = []
    for old in before:
        new = by_id.pop(old["id"], None)
        if new and (new["price"]["id"], new.get("quantity")) == (old["price"]["id"], old.get("quantity")):
            continue
        changed.append((-1, old))
        if new:
            changed.append((1, new))
    changed += [(1, new) for new in by_id.values()]
    return [
        _part(scope, subscription, item, sign * share(full_amount(item), end - at, end - start), (at, end))
        for sign, item in changed
        if not usage.is_metered(item)
    ]


def unused_lines(scope: Scope, subscription: Object, before: list[Object], at: int) -> list[Object]:
    """Return only the credits: for a cancellation, or a change of the interval."""
    start, end = period({"items": {"data": before}})
    return [
        _part(scope, subscription, old, -share(full_amount(old), end - at, end - start), (at, end))
        for old in before
        if full_amount(old)
    ]


def _part(scope: Scope, subscription: Object, item: Object, amount: int, span: tuple[int, int]) -> Object:
    kind = "Unused" if amount < 0 else "Remaining"
    day = datetime.datetime.fromtimestamp(span[0], datetime.UTC).strftime("%d %b %Y")
    count = "" if item.get("quantity", 1) == 1 else f"{item['quantity']} x "
    name = invoice_objects.product_name(scope, item["price"])
    return invoice_objects.line(
        scope,
        subscription,
        item,
        item["price"],
        amount,
        span,
        description=f"{kind} time on {count}{name} after {day}",
        proration=True,
    )


def copied_items(subscription: Object) -> list[Object]:
    """Return copies of a subscription's items, to compare with after a change."""
    return copy.deepcopy(items(subscription))
