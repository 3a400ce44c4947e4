"""When use is billed besides at a renewal: until its invoice is finalized, at the end, and as a price goes."""

from __future__ import annotations

from tests.fake_stripe import changing_subscriptions, invoicing, usage
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items, period


def _count_again(scope: Scope, invoice: Object) -> None:
    """Take in what was reported while the draft waited (Stripe's grace period of an hour)."""
    subscription = invoicing.subscription_of(scope, invoice)
    metered = [line for line in invoice["lines"]["data"] if line.get("_metered")]
    changed = [usage.count(scope, subscription, line) for line in metered]
    if any(changed):
        invoicing.recount(scope, invoice)


def final_invoice(scope: Scope, subscription: Object, start: int, end: int) -> None:
    """Bill what was used in the last period of a subscription that ended with it, and what was pending."""
    lines = usage.lines(scope, subscription, start, end)
    if lines:
        lines = [*changing_subscriptions.take_pending(scope, subscription), *lines]
        invoice = invoicing.create(scope, subscription, lines, "subscription_cycle", period=(start, end))
        invoicing.hold_draft(scope, invoice)


def _follow(scope: Scope, subscription: Object, params: Object, before: list[Object]) -> None:
    """Bill what was used of a metered price that has gone, or of a period cut short; a new price counts from now on.

    https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup#update-prices-mid-cycle
    """
    now = scope.now()
    start, _end = period({"items": {"data": before}})
    cut_short = period(subscription)[0] != start
    is_there = {(item["id"], item["price"]["id"]) for item in items(subscription)}
    was_there = {(item["id"], item["price"]["id"]) for item in before}
    for item in before:
        over = cut_short or (item["id"], item["price"]["id"]) not in is_there
        free = usage.in_trial(subscription, start) or params.get("proration_behavior") == "none"
        if usage.is_metered(item) and over and not free:
            line = usage.item_line(scope, subscription, item, start, now)
            line["parent"]["subscription_item_details"]["proration"] = True
            changing_subscriptions.keep_pending(scope, subscription, line)
    for item in items(subscription):
        if usage.is_metered(item) and (item["id"], item["price"]["id"]) not in was_there:
            subscription["_metered_since"][item["id"]] = now


invoicing.BEFORE_FINALIZE.append(_count_again)
changing_subscriptions.ON_UPDATE.append(_follow)
