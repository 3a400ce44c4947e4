"""What an API request can change of a subscription, what that costs, and what it would cost."""

from __future__ import annotations

import copy
from collections.abc import Callable

from tests.fake_stripe import cards, customers, discounting, invoicing, objects, proration, subscribing, usage
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import HOUR, period_end
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import (
    check_quantity,
    items,
    period,
    price_of,
    set_period,
    subscription_item,
)

#: https://docs.stripe.com/billing/subscriptions/pending-updates-reference#supported-attributes
_PENDING = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "expand",
    "items",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
    "trial_from_plan",
}


#: What follows a change of a subscription: (scope, subscription, parameters, copies of its items before).
ON_UPDATE: list[Callable[[Scope, Object, Object, list[Object]], None]] = []


def update(scope: Scope, found: Object, params: Object) -> None:
    """Change a subscription from an API request."""
    if found["status"] in subscribing.ENDED and set(params) - {"metadata", "cancellation_details", "expand"}:
        raise ApiError(400, "A canceled subscription can only update its cancellation_details and metadata.")
    if found["schedule"] and {"cancel_at", "cancel_at_period_end"} & set(params):
        raise ApiError(
            400,
            f"The subscription is managed by the subscription schedule `{found['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead.",
        )
    if "items" in params and found["status"] == "incomplete":
        raise ApiError(400, "The first invoice of this subscription must be paid before its items can be updated.")
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise invalid("You may only specify one of these: cancel_at, cancel_at_period_end.", "cancel_at_period_end")
    behavior = params.get("payment_behavior", "allow_incomplete")
    if behavior == "pending_if_incomplete" and set(params) - _PENDING:
        wrong = sorted(set(params) - _PENDING)[0]
        raise invalid(f"`{wrong}` is not supported with `payment_behavior=pending_if_incomplete`.", wrong)
    changed = _changed_copy(scope, found, params)
    if behavior in {"error_if_incomplete", "pending_if_incomplete"} and _due_now(scope, found, changed, params):
        method = invoicing.method_of(scope, found)
        if behavior == "error_if_incomplete" and method is None:
            raise invoicing.no_method()
        if method is None or cards.behaviour_of(method).outcome != "succeeds":
            if behavior == "error_if_incomplete" and method:
                subscribing.check_card(method)
            _wait_for_payment(scope, found, changed, params)
            return
    before = proration.copied_items(found)
    with changing(scope, found, "customer.subscription.updated"):
        _apply_simple(scope, found, params)
        invoice = _apply_items(scope, found, changed, params)
    for listener in ON_UPDATE:
        listener(scope, found, params, before)
    if found["status"] == "trialing":
        subscribing.warn_of_trial_end(scope, found)
    if invoice is not None:
        invoicing.finalize(scope, invoice)
        if invoice["status"] == "open" and behavior != "default_incomplete":
            invoicing.collect(scope, invoice)


def _apply_simple(scope: Scope, found: Object, params: Object) -> None:
    found["metadata"] = objects.merged_metadata(found["metadata"], params.get("metadata"))
    if "description" in params:
        found["description"] = params["description"] or None
    if "cancel_at_period_end" in params:
        subscribing.end_with_period(scope, found, params["cancel_at_period_end"])
    if "cancel_at" in params:
        found["cancel_at"] = params["cancel_at"] or None
    if params.get("default_payment_method"):
        method = cards.take(scope, params["default_payment_method"])
        if method["customer"] != found["customer"]:
            raise customers.not_attached(method, "default_payment_method")
        found["default_payment_method"] = method["id"]
    if "pause_collection" in params:
        pause = params["pause_collection"]
        found["pause_collection"] = {"resumes_at": None, **pause} if pause else None
    if "automatic_tax" in params:
        found["automatic_tax"]["enabled"] = params["automatic_tax"]["enabled"]
    for name in ("payment_settings", "trial_settings"):
        if name in params:
            found[name] = {**found[name], **params[name]}
    if "discounts" in params:
        customer = scope.objects["customer"][found["customer"]]
        discounting.redeem(scope, discounting.discounts(scope, params["discounts"], customer), found)


def _changed_copy(scope: Scope, found: Object, params: Object) -> Object:
    """Return a copy of the subscription with the items, trial and period that the request leads to."""
    changed = copy.deepcopy(found)
    for index, wanted in enumerate(params.get("items", [])):
        _change_item(scope, changed, wanted, f"items[{index}]")
    now = scope.now()
    if "trial_end" in params:
        trial_end = now if params["trial_end"] == "now" else params["trial_end"]
        if trial_end < now:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
        changed.update(trial_end=trial_end, billing_cycle_anchor=trial_end)
        if trial_end > now:
            changed.update(status="trialing", trial_start=changed["trial_start"] or now)
            set_period(changed, period(found)[0] if found["status"] == "trialing" else now, trial_end)
    if changed["status"] in {"trialing"} and changed["trial_end"] > now:
        return changed
    if _begins_anew(scope, found, changed, params):
        recurring = items(changed)[0]["price"]["recurring"]
        changed.update(billing_cycle_anchor=now, status="active" if found["status"] == "trialing" else found["status"])
        changed["_begins_anew"] = True
        set_period(changed, now, period_end(now, now, recurring))
    return changed


def _begins_anew(scope: Scope, found: Object, changed: Object, params: Object) -> bool:
    """Return whether a new period begins now: another interval, a trial's end, no longer free, or asked for."""

    def cycle(subscription: Object) -> tuple[str, int]:
        recurring = items(subscription)[0]["price"]["recurring"]
        return recurring["interval"], recurring["interval_count"]

    if params.get("trial_end") == "now" and found["status"] == "trialing":
        return True
    was_free = not any(proration.full_amount(item) for item in items(found))
    is_free = not any(proration.full_amount(item) for item in items(changed))
    return cycle(found) != cycle(changed) or (was_free and not is_free) or params.get("billing_cycle_anchor") == "now"


def _change_item(scope: Scope, changed: Object, wanted: Object, param: str) -> None:
    item = next((item for item in items(changed) if item["id"] == wanted.get("id")), None)
    if item is None and "id" in wanted:
        raise ApiError(
            400, f"No such subscription item: '{wanted['id']}'", code="resource_missing", param=f"{param}[id]"
        )
    if wanted.get("deleted"):
        items(changed).remove(item or {})
        return
    named = {"price", "plan", "price_data"} & set(wanted)
    price = price_of(scope, wanted, param) if named or item is None else item["price"]
    if item is None:
        # As at Stripe, an item without an id comes on top of those that are there.
        item = subscription_item(scope, changed, price, check_quantity(price, wanted.get("quantity"), param))
        start, end = period(changed)
        item.update(current_period_start=start, current_period_end=end)
        items(changed).append(item)
        return
    was = None if price["recurring"]["usage_type"] == "metered" else item.get("quantity")
    quantity = wanted.get("quantity", was)
    fresh = subscription_item(scope, changed, price, check_quantity(price, quantity, param))
    same = {name: item[name] for name in ("id", "created", "current_period_start", "current_period_end")}
    item.pop("quantity", None)
    item.update({**fresh, **same, "metadata": {**item["metadata"], **wanted.get("metadata", {})}})


def _lines(scope: Scope, found: Object, changed: Object, params: Object) -> tuple[list[Object], bool]:
    """Return the lines that a change brings, and whether they are invoiced at once."""
    behavior = params.get("proration_behavior", "create_prorations")
    at = min(max(params.get("proration_date", scope.now()), period(found)[0]), period(found)[1])
    before = items(found)
    was_trial = found["status"] == "trialing"
    if changed["status"] == "trialing":
        return [], False
    if changed["_begins_anew"]:
        credits = [] if was_trial or behavior == "none" else proration.unused_lines(scope, changed, before, at)
        return [*credits, *proration.period_lines(scope, changed, *period(changed))], True
    if behavior == "none":
        return [], False
    return proration.change_lines(scope, changed, before, at), behavior == "always_invoice"


def _apply_items(scope: Scope, found: Object, changed: Object, params: Object) -> Object | None:
    """Put the changed items into the subscription; return the invoice to collect at once, if there is one."""
    lines, at_once = _lines(scope, found, changed, params)
    for name in ("items", "trial_start", "trial_end", "billing_cycle_anchor", "status"):
        found[name] = changed[name]
    if found["cancel_at_period_end"]:
        found["cancel_at"] = period(found)[1]
    for item in items(found):
        # The price's own later changes show again.
        item["price"] = scope.objects["price"][item["price"]["id"]]
        scope.add(item)
    if not lines:
        return None
    if not at_once:
        for line in lines:
            keep_pending(scope, found, line)
        return None
    return invoicing.create(scope, found, [*take_pending(scope, found), *lines], "subscription_update")


def keep_pending(scope: Scope, found: Object, line: Object) -> None:
    """Keep a proration for the next invoice."""
    pending = {
        "id": scope.new_id("ii_"),
        "object": "invoiceitem",
        "amount": line["amount"],
        "currency": line["currency"],
        "customer": found["customer"],
        "customer_account": None,
        "date": scope.now(),
        "description": line["description"],
        "discountable": False,
        "discounts": [],
        "invoice": None,
        "livemode": scope.livemode,
        "metadata": {},
        "net_amount": line["amount"],
        "parent": {
            "subscription_details": {
                "subscription": found["id"],
                "subscription_item": line["parent"]["subscription_item_details"]["subscription_item"],
            },
            "type": "subscription_details",
        },
        "period": line["period"],
        "pricing": line["pricing"],
        "proration": True,
        "proration_details": {"discount_amounts": []},
        "quantity": line["quantity"],
        "quantity_decimal": line["quantity_decimal"],
        "tax_rates": [],
        "test_clock": None,
        "_line": line,
        "_subscription": found["id"],
    }
    record(scope, "invoiceitem.created", scope.add(pending))


def take_pending(scope: Scope, found: Object) -> list[Object]:
    """Return the prorations that wait for an invoice; they no longer do."""
    pending = scope.related("invoiceitem", _subscription=found["id"], invoice=None)[::-1]
    for item in pending:
        item["invoice"] = "in_"
    return [item["_line"] for item in pending]


def _due_now(scope: Scope, found: Object, changed: Object, params: Object) -> int:
    lines, at_once = _lines(scope, found, changed, params)
    if not at_once:
        return 0
    due: int = invoicing.draft(scope, changed, lines, "subscription_update")["amount_due"]
    return due


def _wait_for_payment(scope: Scope, found: Object, changed: Object, params: Object) -> None:
    """Leave the subscription as it is until the change is paid for, for 23 hours at most."""
    lines, _ = _lines(scope, found, changed, params)
    with changing(scope, found, "customer.subscription.updated"):
        found["pending_update"] = {
            "billing_cycle_anchor": None,
            "discount": None,
            "discounts": None,
            "expires_at": min(scope.now() + 23 * HOUR, period(found)[1]),
            "metadata": None,
            "subscription_items": copy.deepcopy(items(changed)),
            "trial_end": None,
            "trial_from_plan": None,
        }
        found["_pending"] = changed
        invoice = invoicing.create(scope, found, lines, "subscription_update")
        invoice["_pending_update"] = True
    invoicing.finalize(scope, invoice)
    invoicing.collect(scope, invoice)


def _apply_pending(scope: Scope, found: Object, invoice: Object) -> None:
    if not invoice["_pending_update"] or not found["_pending"]:
        return
    changed = found["_pending"]
    with changing(scope, found, "customer.subscription.updated", "customer.subscription.pending_update_applied"):
        found.update(pending_update=None, _pending=None, items=changed["items"])
        found["billing_cycle_anchor"] = changed["billing_cycle_anchor"]


invoicing.ON_PAID.append(_apply_pending)


def expire_pending(scope: Scope, found: Object) -> None:
    """Give up a change that nobody has paid for."""
    for invoice in scope.related("invoice", _subscription=found["id"], _pending_update=True, status="open"):
        invoicing.void(scope, invoice)
    with changing(scope, found, "customer.subscription.updated", "customer.subscription.pending_update_expired"):
        found.update(pending_update=None, _pending=None)


def cancel_now(scope: Scope, found: Object, params: Object) -> None:
    """End a subscription at once, with a credit for what is left of it where the request asks for that."""
    lines: list[Object] = []
    if params.get("prorate") and found["status"] != "trialing":
        lines = proration.unused_lines(scope, found, items(found), scope.now())
    found["cancellation_details"] = {**found["cancellation_details"], **params.get("cancellation_details", {})}
    subscribing.cancel(scope, found)
    if params.get("invoice_now"):
        used = usage.lines(scope, found, period(found)[0], scope.now())
        lines = [*take_pending(scope, found), *lines, *used]
        if lines:
            invoicing.finalize(scope, invoicing.create(scope, found, lines, "subscription_update"))
        return
    for line in lines:
        keep_pending(scope, found, line)


def resume(scope: Scope, found: Object, params: Object) -> None:
    """Let a subscription that was paused after its trial go on, with a new period."""
    if found["status"] != "paused":
        raise ApiError(400, f"This subscription cannot be resumed, because its status is {found['status']}.")
    now = scope.now()
    with changing(scope, found, "customer.subscription.updated"):
        recurring = items(found)[0]["price"]["recurring"]
        found["billing_cycle_anchor"] = now
        set_period(found, now, period_end(now, now, recurring))
        lines = proration.period_lines(scope, found, *period(found))
        invoice = invoicing.create(scope, found, lines, "subscription_update")
    invoicing.finalize(scope, invoice)
    if invoice["status"] == "open":
        invoicing.collect(scope, invoice)
    if invoice["status"] == "paid":
        with changing(scope, found, "customer.subscription.updated", "customer.subscription.resumed"):
            found["status"] = "active"


def preview(scope: Scope, found: Object, details: Object) -> Object:
    """Return the invoice that a change would lead to: the one made at once, or the next one."""
    changed = _changed_copy(scope, found, details)
    lines, at_once = _lines(scope, found, changed, details)
    if not at_once:
        used = usage.lines(scope, changed, *period(changed))
        lines = [*_pending_lines(scope, found), *lines, *used, *_next_period(scope, changed)]
    invoice = invoicing.draft(scope, changed, lines, "upcoming")
    invoice["id"] = "upcoming_" + invoice["id"]
    return invoice


def upcoming(scope: Scope, found: Object) -> Object:
    """Return the next invoice as it stands now."""
    start, end = period(found)
    lines = [*_pending_lines(scope, found), *usage.lines(scope, found, start, end), *_next_period(scope, found)]
    return {**invoicing.draft(scope, found, lines, "upcoming"), "period_start": start, "period_end": end}


def _pending_lines(scope: Scope, found: Object) -> list[Object]:
    pending = scope.related("invoiceitem", _subscription=found["id"], invoice=None)[::-1]
    return [copy.deepcopy(item["_line"]) for item in pending]


def _next_period(scope: Scope, changed: Object) -> list[Object]:
    end = period(changed)[1]
    recurring = items(changed)[0]["price"]["recurring"]
    lines = proration.period_lines(scope, changed, end, period_end(changed["billing_cycle_anchor"], end, recurring))
    return [] if changed["cancel_at_period_end"] else lines
