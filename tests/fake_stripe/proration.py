"""What a subscription's items cost: for a whole period, and for the rest of one after a change."""

from __future__ import annotations

import datetime
import decimal
import fractions

from tests.fake_stripe import discounting, invoice_objects, pending_items, pricing, usage
from tests.fake_stripe.periods import period_end
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items, with_items


def full_amount(item: Object) -> int:
    """Return what an item costs for a whole period, in advance; a metered one nothing."""
    if usage.is_metered(item):
        return 0
    return pricing.amount_of(item["price"], decimal.Decimal(item["quantity"]), item["_currency"])


def period_lines(scope: Scope, subscription: Object, start: int, end: int) -> list[Object]:
    """Return the lines for a whole period in advance."""
    return [
        invoice_objects.line(scope, subscription, item, item["price"], full_amount(item), (start, end))
        for item in items(subscription)
        if not usage.is_metered(item)
    ]


def current_lines(scope: Scope, subscription: Object) -> list[Object]:
    """Return the lines for the period that each item is in, whole and in advance."""
    return [
        line
        for item in items(subscription)
        for line in period_lines(scope, with_items(subscription, [item]), *_period(item))
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


def share(amount: int | fractions.Fraction, part: int, whole: int) -> int:
    """Return the share of an amount for `part` of `whole` seconds, rounded to the smallest unit."""
    exact = fractions.Fraction(amount * max(0, part), max(1, whole))
    return int(exact + fractions.Fraction(1, 2))


def first_lines(scope: Scope, subscription: Object, start: int, end: int, *, prorate: bool) -> list[Object]:
    """Return the lines of a first period that an anchor cuts short."""
    lines = period_lines(scope, subscription, start, end)
    in_advance = [item for item in items(subscription) if not usage.is_metered(item)]
    for line, item in zip(lines, in_advance, strict=True):
        whole = period_end(start, start, item["price"]["recurring"]) - start
        line["amount"] = line["subtotal"] = share(line["amount"], end - start, whole) if prorate else 0
    return lines


def change_lines(scope: Scope, subscription: Object, before: list[Object], at: int) -> list[Object]:
    """Return the credits for items as they were, and the charges for items as they are, from `at` to the period's end.

    `before` are copies of the items before the change; what did not change is left out.
    """
    by_id = {item["id"]: item for item in items(subscription)}
    parts = []
    for old in before:
        new = by_id.pop(old["id"], None)
        if new and (new["price"]["id"], new.get("quantity")) == (old["price"]["id"], old.get("quantity")):
            continue
        parts.append((old, -1))
        if new:
            parts.append((new, 1))
    parts += [(new, 1) for new in by_id.values()]
    return [_rest(scope, subscription, item, at, sign) for item, sign in parts if not usage.is_metered(item)]


def unused_lines(scope: Scope, subscription: Object, before: list[Object], at: int) -> list[Object]:
    """Return only the credits: for a cancellation, or a change of the interval."""
    return [_rest(scope, subscription, old, at, -1) for old in before if full_amount(old)]


def rest_lines(scope: Scope, subscription: Object, at: int, sign: int) -> list[Object]:
    """Return charges (`sign` 1) or credits (-1) for what is left at a moment of every item's period."""
    return [_rest(scope, subscription, item, at, sign) for item in items(subscription) if full_amount(item)]


def shorten(lines: list[Object], at: int) -> list[Object]:
    """Let lines of whole periods end at a moment within them, and cost as much less."""
    for line in lines:
        start, end = line["period"]["start"], line["period"]["end"]
        if start < at < end:
            line["amount"] = line["subtotal"] = share(line["amount"], at - start, end - start)
            line["period"] = {"start": start, "end": at}
    return lines


def _rest(scope: Scope, subscription: Object, item: Object, at: int, sign: int) -> Object:
    """Return the line for what is left of an item's period at a moment."""
    start, end = _period(item)
    at = min(max(at, start), end)
    whole = end - start
    if end == subscription["billing_cycle_anchor"]:  # a first period that the anchor cut short
        whole = period_end(start, start, item["price"]["recurring"]) - start
    amount = share(full_amount(item) * _counted(scope, subscription, item, at, sign), end - at, whole)
    return _part(scope, subscription, item, sign * amount, (at, end), sign)


def _counted(scope: Scope, subscription: Object, item: Object, at: int, sign: int) -> fractions.Fraction:
    """Return how much of an item's price a proration charges or credits.

    The classic billing mode goes by the price of now and the discounts that the subscription has; the flexible one
    credits what was charged (https://docs.stripe.com/billing/subscriptions/billing-mode/compare).
    """
    if subscription["billing_mode"]["type"] == "classic":
        return discounting.percent_left(scope, subscription, scope.now())
    return _charged(scope, subscription, item, at) if sign < 0 else fractions.Fraction(1)


def _charged(scope: Scope, subscription: Object, item: Object, at: int) -> fractions.Fraction:
    """Return how much of an item's price the last line that charges for a moment has charged, as a share of all."""
    for line in debits(scope, subscription):
        details = invoice_objects.line_details(line)
        if details.get("subscription_item") != item["id"] or not line["period"]["start"] <= at < line["period"]["end"]:
            continue
        net = line["amount"] - sum(discount["amount"] for discount in line["discount_amounts"])
        whole = line["amount"]
        if line["pricing"]["price_details"]["price"] != item["price"]["id"] or line["quantity"] != item["quantity"]:
            # The price or the quantity has changed since without being charged.
            start, end = _period(item)
            span = line["period"]["end"] - line["period"]["start"]
            net, whole = net * (end - start), full_amount(item) * span
        return fractions.Fraction(net, whole) if whole else fractions.Fraction(0)
    return fractions.Fraction(0)


def debits(scope: Scope, subscription: Object) -> list[Object]:
    """Return the lines that have charged for a subscription's time, or wait for an invoice, the last ones first."""
    invoices = [
        invoice
        for invoice in scope.related("invoice", _subscription=subscription["id"])
        if invoice["status"] == "paid" or not invoice["_pending_update"]
    ]
    lines = [line for invoice in invoices for line in invoice["lines"]["data"][::-1]]
    found = [*pending_items.waiting(scope, subscription)[::-1], *lines]
    return [line for line in found if line["amount"] >= 0 and not line["description"].startswith("Unused")]


def _period(item: Object) -> tuple[int, int]:
    return item["current_period_start"], item["current_period_end"]


def _part(scope: Scope, subscription: Object, item: Object, amount: int, span: tuple[int, int], sign: int) -> Object:
    kind = "Unused" if sign < 0 else "Remaining"
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
