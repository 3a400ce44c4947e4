"""What an API request can change of a subscription, what that costs, and what it would cost."""

from __future__ import annotations

import copy
from collections.abc import Callable

from tests.fake_stripe import (
    canceling,
    cards,
    discounting,
    invoicing,
    item_rules,
    objects,
    pending_items,
    pending_updates,
    proration,
    sending,
    subscribing,
    trials,
    usage,
    usage_billing,
)
from tests.fake_stripe.errors import ApiError, invalid, missing_param, no_such
from tests.fake_stripe.events import changing
from tests.fake_stripe.periods import DAY
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import (
    ENDED,
    all_cycle_anew,
    begin_periods,
    check_quantity,
    count_from,
    cycle,
    cycles,
    ending,
    items,
    join_period,
    period,
    price_of,
    put_items,
    set_period,
    subscription_item,
    with_items,
)

#: What a change of a subscription's end changes of it.
_CANCELLATION = ("cancel_at", "cancel_at_period_end", "canceled_at", "cancellation_details")


#: What follows a change of a subscription: (scope, subscription, parameters, copies of its items before).
ON_UPDATE: list[Callable[[Scope, Object, Object, list[Object]], None]] = []
#: What a subscription will sell from a moment on, None where nothing is planned: (scope, subscription, moment).
PLANNED: list[Callable[[Scope, Object, int], list[Object] | None]] = []


def update(scope: Scope, found: Object, params: Object) -> None:
    """Change a subscription from an API request."""
    if found["status"] in ENDED and set(params) - {"metadata", "cancellation_details", "expand"}:
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
    if behavior == "pending_if_incomplete":
        pending_updates.check(found, params)
    changed = _changed_copy(scope, found, params)
    sending.set_collection(changed, params)
    if found["status"] == "trialing" and changed["status"] == "active" and trials.ends_without_method(scope, found):
        return
    if behavior in {"error_if_incomplete", "pending_if_incomplete"} and _due_now(scope, found, changed, params):
        method = invoicing.method_of(scope, found)
        if behavior == "error_if_incomplete" and method is None:
            raise invoicing.no_method()
        if method is None or cards.behaviour_of(method).outcome != "succeeds":
            if behavior == "error_if_incomplete" and method:
                subscribing.check_card(method)
            pending_updates.wait(scope, found, changed, _lines(scope, found, changed, params)[0])
            return
    before = copy.deepcopy(items(found))
    with changing(scope, found, "customer.subscription.updated"):
        _apply_simple(scope, found, params)
        invoice = _apply_items(scope, found, changed, params)
    for listener in ON_UPDATE:
        listener(scope, found, params, before)
    if found["status"] == "trialing":
        trials.warn_of_end(scope, found)
    if invoice is not None:
        invoicing.begin(scope, invoice, charge=behavior != "default_incomplete")
        if invoice["status"] == "open" and behavior == "default_incomplete" and found["status"] == "active":
            invoicing.change(scope, found, status="past_due")


def _apply_simple(scope: Scope, found: Object, params: Object) -> None:
    found["metadata"] = objects.merged_metadata(found["metadata"], params.get("metadata"))
    if "description" in params:
        found["description"] = params["description"] or None
    if "default_payment_method" in params:
        found["default_payment_method"] = subscribing.own_method(scope, found, params["default_payment_method"])
    sending.set_collection(found, params)
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
        used = discounting.discounts(scope, params["discounts"], customer)
        discounting.check_applies(scope, used, [item["price"] for item in items(found)])
        new = [discount for discount in used if discount["subscription"] != found["id"]]
        discounting.check_minimum(scope, new, None)
        discounting.redeem(scope, used, found)


def _changed_copy(scope: Scope, found: Object, params: Object) -> Object:
    """Return a copy of the subscription with the items, trial, period and end that the request leads to."""
    changed = copy.deepcopy(found)
    now = scope.now()
    for index, wanted in enumerate(params.get("items", [])):
        _change_item(scope, changed, wanted, f"items[{index}]")
    item_rules.check(changed)
    count_from(changed, items(found), now)
    if params.get("trial_end") not in {None, "now"}:
        trial_end = params["trial_end"]
        if trial_end < now:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
        trials.check_days((trial_end - (changed["trial_start"] or now)) / DAY, "trial_end")
        changed.update(trial_end=trial_end, billing_cycle_anchor=trial_end)
        if trial_end > now:
            changed.update(status="trialing", trial_start=changed["trial_start"] or now)
            set_period(changed, period(found)[0] if found["status"] == "trialing" else now, trial_end)
    elif "trial_end" in params and found["status"] == "trialing":
        changed["trial_end"] = now
    on_trial = changed["status"] == "trialing" and changed["trial_end"] > now
    if not on_trial and (found["status"] == "trialing" or _begins_anew(found, changed, params)):
        status = "active" if found["status"] == "trialing" else found["status"]
        changed.update(billing_cycle_anchor=now, status=status, _begins_anew=True)
        begin_periods(changed, now)
    canceling.schedule(scope, changed, params)
    changed["_cut"] = found["_cut"] if changed["cancel_at"] == found["_cut"] else None
    if "cancel_at" in params and params.get("proration_behavior") != "none" and changed["status"] != "trialing":
        changed["_cut"] = canceling.cut(changed, changed["cancel_at"])
    return changed


def _begins_anew(found: Object, changed: Object, params: Object) -> bool:
    """Return whether a new period begins now: another interval, no longer free, or asked for."""
    another = all_cycle_anew(cycles(found), cycles(changed))
    return another or (_free(found) and not _free(changed)) or params.get("billing_cycle_anchor") == "now"


def _free(subscription: Object) -> bool:
    return not any(proration.full_amount(item) or usage.is_metered(item) for item in items(subscription))


def _change_item(scope: Scope, changed: Object, wanted: Object, param: str) -> None:
    item = next((item for item in items(changed) if item["id"] == wanted.get("id")), None)
    if item is None and "id" in wanted:
        raise no_such("subscription_item", wanted["id"], param=f"{param}[id]", in_url=False)
    if wanted.get("clear_usage") and not (item and usage.is_metered(item)):
        raise invalid("You can only set `clear_usage` for items with a metered price.", f"{param}[clear_usage]")
    if wanted.get("deleted"):
        if item is None:
            raise missing_param(f"{param}[id]")
        items(changed).remove(item)
        return
    named = {"price", "plan", "price_data"} & set(wanted)
    price = price_of(scope, wanted, param) if named or item is None else item["price"]
    if item is None:
        # As at Stripe, an item without an id comes on top of those that are there.
        item = subscription_item(scope, changed, price, check_quantity(price, wanted.get("quantity"), param))
        item["metadata"] = objects.merged_metadata({}, wanted.get("metadata"))
        items(changed).append(item)
        _join(scope, changed, item)
        return
    was = None if usage.is_metered({"price": price}) else item.get("quantity")
    quantity = wanted.get("quantity", was)
    fresh = subscription_item(scope, changed, price, check_quantity(price, quantity, param))
    before = cycle(item)
    same = {name: item[name] for name in ("id", "created", "current_period_start", "current_period_end")}
    metadata = objects.merged_metadata(item["metadata"], wanted.get("metadata"))
    item.pop("quantity", None)
    item.update({**fresh, **same, "metadata": metadata})
    if cycle(item) != before:
        _join(scope, changed, item)


def _join(scope: Scope, changed: Object, item: Object) -> None:
    """Let an item into the period that the subscription is in: the trial, or the one of its interval."""
    if changed["status"] == "trialing":
        start, end = period(with_items(changed, [other for other in items(changed) if other is not item] or [item]))
        item.update(current_period_start=start, current_period_end=end or changed["trial_end"])
    else:
        join_period(changed, item, scope.now())


def _lines(scope: Scope, found: Object, changed: Object, params: Object) -> tuple[list[Object], bool]:
    """Return the lines that a change brings, and whether they are invoiced at once."""
    behavior = params.get("proration_behavior", "create_prorations")
    at = min(max(params.get("proration_date", scope.now()), period(found)[0]), period(found)[1])
    before = items(found)
    was_trial, is_trial = (subscription["status"] == "trialing" for subscription in (found, changed))
    if was_trial and is_trial:
        return [], False
    if changed["_begins_anew"] or is_trial:
        credits = [] if was_trial or behavior == "none" else proration.unused_lines(scope, changed, before, at)
        credits += canceling.shortening(scope, found, found["_cut"], None) if credits else []
        begun = proration.trial_lines(scope, changed, *period(changed)) if is_trial else _begun(scope, changed)
        return [*credits, *usage_billing.over(scope, found, changed, params), *begun], True
    if behavior == "none":
        return [], False
    lines = proration.change_lines(scope, changed, before, at)
    lines += canceling.shortening(scope, changed, found["_cut"], changed["_cut"])
    return [*lines, *usage_billing.over(scope, found, changed, params)], behavior == "always_invoice"


def _begun(scope: Scope, changed: Object) -> list[Object]:
    lines = proration.current_lines(scope, changed)
    return proration.shorten(lines, changed["_cut"]) if changed["_cut"] else lines


def _apply_items(scope: Scope, found: Object, changed: Object, params: Object) -> Object | None:
    """Put the changed items into the subscription; return the invoice to collect at once, if there is one."""
    lines, at_once = _lines(scope, found, changed, params)
    put_items(scope, found, changed)
    for name in ("trial_start", "trial_end", "billing_cycle_anchor", "status", "_cut", *_CANCELLATION):
        found[name] = changed[name]
    if found["cancel_at_period_end"]:
        found["cancel_at"] = period(found)[1]
    if not lines:
        return None
    if not at_once:
        for line in lines:
            pending_items.keep(scope, found, line)
        return None
    return invoicing.create(scope, found, [*pending_items.waiting(scope, found), *lines], "subscription_update")


def _due_now(scope: Scope, found: Object, changed: Object, params: Object) -> int:
    lines, at_once = _lines(scope, found, changed, params)
    if not at_once:
        return 0
    due: int = invoicing.draft(scope, changed, lines, "subscription_update")["amount_due"]
    return due


def resume(scope: Scope, found: Object, params: Object) -> None:
    """Let a subscription that was paused after its trial go on, with a new period."""
    if found["status"] != "paused":
        raise ApiError(400, f"This subscription cannot be resumed, because its status is {found['status']}.")
    now = scope.now()
    with changing(scope, found, "customer.subscription.updated"):
        found["billing_cycle_anchor"] = now
        begin_periods(found, now)
        lines = proration.current_lines(scope, found)
        invoice = invoicing.create(scope, found, lines, "subscription_update")
    invoicing.begin(scope, invoice)
    if invoice["status"] in {"paid", "draft"}:
        with changing(scope, found, "customer.subscription.updated", "customer.subscription.resumed"):
            found["status"] = "active"


def preview(scope: Scope, found: Object, details: Object) -> Object:
    """Return the invoice that a change would lead to: the one made at once, or the next one."""
    if details.get("cancel_now"):
        lines = [*pending_items.shown(scope, found), *canceling.final_lines(scope, found, details)]
        return {**invoicing.draft(scope, found, lines, "upcoming"), "id": scope.new_id("upcoming_in_")}
    changed = _changed_copy(scope, found, details)
    lines, at_once = _lines(scope, found, changed, details)
    if not at_once:
        end = period(changed)[1]
        used = usage.lines(scope, ending(changed, end), end)
        lines = [*pending_items.shown(scope, found), *lines, *used, *_next_period(scope, changed)]
    invoice = invoicing.draft(scope, changed, lines, "upcoming")
    invoice["id"] = "upcoming_" + invoice["id"]
    return invoice


def upcoming(scope: Scope, found: Object) -> Object:
    """Return the next invoice as it stands now."""
    start, end = period(found)
    used = usage.lines(scope, ending(found, end), end)
    lines = [*pending_items.shown(scope, found), *used, *_next_period(scope, found)]
    return {**invoicing.draft(scope, found, lines, "upcoming"), "period_start": start, "period_end": end}


def _next_period(scope: Scope, changed: Object) -> list[Object]:
    end = period(changed)[1]
    if changed["cancel_at"] and changed["cancel_at"] <= end:
        return []
    for planned in PLANNED:
        if (sold := planned(scope, changed, end)) is not None:
            changed = with_items(changed, sold)
    begun = copy.deepcopy(ending(changed, end))
    begin_periods(begun, end)
    return proration.current_lines(scope, begun)
