"""What was used of the metered items of a subscription, on its invoices."""

from __future__ import annotations

import decimal

from tests.fake_stripe import invoice_objects, metering, pricing
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items


def is_metered(item: Object) -> bool:
    """Return whether an item is paid for by use, afterwards."""
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _in_trial(subscription: Object, item: Object) -> bool:
    """Return whether an item's period is one of trial, in which use costs nothing."""
    return bool(subscription["trial_end"] and subscription["trial_end"] > item["current_period_start"])


def lines(scope: Scope, subscription: Object, end: int) -> list[Object]:
    """Return the lines for what was used of the metered items in their periods until before `end`, trials apart."""
    return [
        _line(scope, subscription, item, end)
        for item in items(subscription)
        if is_metered(item) and not _in_trial(subscription, item)
    ]


def _line(scope: Scope, subscription: Object, item: Object, end: int) -> Object:
    """Return the line for what was used of one item; one that came within its period counts from then on."""
    start = item["current_period_start"]
    start = max(start, subscription["_metered_since"].get(item["id"], start))
    line = invoice_objects.line(scope, subscription, item, item["price"], 0, (start, end), quantity=0)
    line["_metered"] = True
    count(scope, subscription, line)
    return line


def count(scope: Scope, subscription: Object, line: Object) -> bool:
    """Count again what was used; return whether that is not what the line said."""
    price = scope.objects["price"][line["pricing"]["price_details"]["price"]]
    meter, span = price["recurring"]["meter"], line["period"]
    used = metering.total(scope, meter, subscription["customer"], span["start"], span["end"])
    amount = pricing.amount_of(price, used, line["currency"])
    changed = (line["amount"], line["quantity_decimal"]) != (amount, _text(used))
    line.update(amount=amount, subtotal=amount, quantity=int(used), quantity_decimal=_text(used))
    line["description"] = invoice_objects.description_of(scope, price, int(used))
    return changed


def _text(used: decimal.Decimal) -> str:
    return f"{used.normalize():f}"
