"""What was used of the metered items of a subscription, on its invoices."""

from __future__ import annotations

import decimal

from tests.fake_stripe import invoice_objects, metering, pricing
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items


def is_metered(item: Object) -> bool:
    """Return whether an item is paid for by use, afterwards."""
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def in_trial(subscription: Object, start: int) -> bool:
    """Return whether the period from `start` is one of trial, in which use costs nothing."""
    return bool(subscription["trial_end"] and subscription["trial_end"] > start)


def lines(scope: Scope, subscription: Object, start: int, end: int) -> list[Object]:
    """Return the lines for what was used of the metered items from `start` to before `end`, a trial apart."""
    if in_trial(subscription, start):
        return []
    return [item_line(scope, subscription, item, start, end) for item in items(subscription) if is_metered(item)]


def item_line(scope: Scope, subscription: Object, item: Object, start: int, end: int) -> Object:
    """Return the line for what was used of one item; one that came within that time counts from then on."""
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
    amount = pricing.amount_of(price, used)
    changed = (line["amount"], line["quantity_decimal"]) != (amount, _text(used))
    line.update(amount=amount, subtotal=amount, quantity=int(used), quantity_decimal=_text(used))
    line["description"] = invoice_objects.description_of(scope, price, int(used))
    return changed


def _text(used: decimal.Decimal) -> str:
    return f"{used.normalize():f}"
