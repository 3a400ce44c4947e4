"""When use is billed besides at a renewal: until its invoice is finalized, and as a price or a period ends early."""

from __future__ import annotations

from tests.fake_stripe import invoicing, usage
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items, with_items


def over(scope: Scope, found: Object, changed: Object, params: Object) -> list[Object]:
    """Return the lines for what was used of metered prices that go, and of periods cut short, by a change.

    Nothing for what the change says is to be forgotten; in classic billing mode what goes is not billed at all.
    https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup#update-prices-mid-cycle
    """
    if params.get("proration_behavior") == "none":
        return []
    classic = found["billing_mode"]["type"] == "classic"
    cleared = {wanted["id"] for wanted in params.get("items", []) if wanted.get("clear_usage")}
    starts = {(item["id"], item["price"]["id"]): item["current_period_start"] for item in items(changed)}
    ended = []
    for item in items(found):
        start = starts.get((item["id"], item["price"]["id"]))
        goes, cut_short = start is None, start not in {None, item["current_period_start"]}
        if item["id"] not in cleared and (cut_short or (goes and not classic)):
            ended.append(item)
    lines = usage.lines(scope, with_items(found, ended), scope.now())
    for line in lines:
        line["parent"]["subscription_item_details"]["proration"] = True
    return [line for line in lines if line["amount"]]


def _count_again(scope: Scope, invoice: Object) -> None:
    """Take in what was reported while the draft waited (Stripe's grace period of an hour)."""
    subscription = invoicing.subscription_of(scope, invoice)
    metered = [line for line in invoice["lines"]["data"] if line.get("_metered")]
    changed = [usage.count(scope, subscription, line) for line in metered]
    if any(changed):
        invoicing.recount(scope, invoice)


invoicing.BEFORE_FINALIZE.append(_count_again)
