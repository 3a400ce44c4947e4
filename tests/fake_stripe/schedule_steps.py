"""How a schedule moves its subscription from phase to phase, and what both are after it. Call with the lock held."""

from __future__ import annotations

import copy

from tests.fake_stripe import (
    canceling,
    changing_subscriptions,
    customers,
    discounting,
    invoicing,
    objects,
    schedule_phases,
    subscribing,
)
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import (
    all_cycle_anew,
    cycles,
    items,
    put_items,
    subscription_item,
    with_items,
)

#: Stripe announces the end of a schedule so long before it.
EXPIRES_SOON = 7 * DAY
#: What a subscription has of the current phase or, where that says nothing of it, of the schedule's default settings.
OF_SUBSCRIPTION = ("default_payment_method", "description")
RUNNING = ("not_started", "active")


def current(schedule: Object) -> Object:
    """Return the phase that a schedule is in."""
    phase: Object = schedule["phases"][schedule["_index"]]
    return phase


def following(schedule: Object) -> Object | None:
    """Return the phase after the current one."""
    phases, index = schedule["phases"], schedule["_index"] + 1
    return phases[index] if index < len(phases) else None


def gives(schedule: Object, *names: str) -> Object:
    """Return what the current phase gives its subscription, or else the settings that all phases share."""
    phase, settings = schedule["phases"][schedule["_index"]], schedule["default_settings"]
    return {name: value for name in names if (value := phase[name] or settings[name])}


def go_to(schedule: Object, index: int) -> None:
    """Make a phase the current one."""
    schedule["_index"] = index
    schedule["current_phase"] = {name: current(schedule)[name] for name in ("start_date", "end_date")}


def of(scope: Scope, subscription: Object) -> Object | None:
    """Return the schedule that manages a subscription."""
    found = scope.find("subscription_schedule", subscription["schedule"])
    return found if found and found["status"] in RUNNING else None


def begin(scope: Scope, schedule: Object) -> None:
    """Create the subscription of the first phase."""
    phase = schedule["phases"][0]
    settings = schedule["default_settings"]
    params = gives(schedule, "collection_method", *OF_SUBSCRIPTION)
    if phase["trial_end"]:
        params["trial_end"] = phase["trial_end"]
    if phase["discounts"]:
        params["discounts"] = [{name: value for name, value in item.items() if value} for item in phase["discounts"]]
    days = settings["invoice_settings"]["days_until_due"]
    if days is not None and params.get("collection_method") == "send_invoice":
        params["days_until_due"] = days
    if schedule["end_behavior"] == "cancel" and len(schedule["phases"]) == 1:
        params["cancel_at"] = phase["end_date"]
    params.update(
        automatic_tax={"enabled": phase["automatic_tax"]["enabled"]},
        billing_mode=schedule["billing_mode"],
        customer=schedule["customer"],
        items=[_sold(item) for item in phase["items"]],
        metadata={name: value for name, value in phase["metadata"].items() if value},
    )
    subscription = subscribing.create(scope, params, schedule=schedule["id"])
    schedule.update(status="active", subscription=subscription["id"], _discounts=phase["discounts"])
    go_to(schedule, 0)


def _sold(item: Object) -> Object:
    return {name: item[name] for name in ("price", "quantity", "metadata") if name in item}


def begin_later(scope: Scope, schedule: Object) -> None:
    """Begin a schedule whose time has come."""
    with changing(scope, schedule, "subscription_schedule.updated"):
        begin(scope, schedule)


def move_on(scope: Scope, schedule: Object) -> None:
    """Enter the next phase in the middle of a period, or end the schedule after the last one."""
    subscription = scope.objects["subscription"][schedule["subscription"]]
    if following(schedule) is None:
        complete(scope, schedule, subscription)
        return
    with changing(scope, schedule, "subscription_schedule.updated"):
        go_to(schedule, schedule["_index"] + 1)
        apply(scope, schedule, subscription, current(schedule)["proration_behavior"])


def apply(scope: Scope, schedule: Object, subscription: Object, proration_behavior: str) -> None:
    """Change a subscription to what the current phase says, as a request about the subscription would."""
    params = change_to(scope, schedule, subscription, proration_behavior)
    params.update(gives(schedule, *OF_SUBSCRIPTION))
    schedule["_applying"] = True
    try:
        with changing(scope, subscription, "customer.subscription.updated"):
            _set_discounts(scope, schedule, subscription)
            set_end(scope, schedule, subscription)
        changing_subscriptions.update(scope, subscription, params)
    finally:
        schedule["_applying"] = False


def change_to(scope: Scope, schedule: Object, subscription: Object, proration_behavior: str) -> Object:
    """Return the request about a subscription that makes it what the current phase says."""
    phase = current(schedule)
    params: Object = {
        "items": _differences(subscription, phase),
        "metadata": phase["metadata"],
        "proration_behavior": proration_behavior,
    }
    if phase["trial_end"] and phase["trial_end"] > scope.now():
        params["trial_end"] = phase["trial_end"]
    elif subscription["status"] == "trialing":
        # What a phase does not say again is no longer so.
        params["trial_end"] = "now"
    if phase["billing_cycle_anchor"] == "phase_start" and phase["start_date"] == scope.now():
        params["billing_cycle_anchor"] = "now"
    return params


def _differences(subscription: Object, phase: Object) -> list[Object]:
    """Return what makes the items those of a phase: an item keeps its id with its price, others are new."""
    left = {item["price"]["id"]: item for item in items(subscription)}
    wanted = []
    for item in phase["items"]:
        kept = left.pop(item["price"], None)
        wanted.append({**_sold(item), "id": kept["id"]} if kept else _sold(item))
    return [*wanted, *({"id": item["id"], "deleted": True} for item in left.values())]


def turn(scope: Scope, subscription: Object, at: int) -> None:
    """Enter the phase that begins with a new period, before that is billed; nothing is prorated then."""
    schedule = of(scope, subscription)
    if schedule is None or schedule["status"] != "active" or current(schedule)["end_date"] > at:
        return
    if following(schedule) is None:
        complete(scope, schedule, subscription)
        return
    with changing(scope, schedule, "subscription_schedule.updated"):
        go_to(schedule, schedule["_index"] + 1)
    phase = current(schedule)
    before = cycles(subscription)
    kept = {item["price"]["id"]: item for item in items(subscription)}
    sold = [_item(scope, subscription, kept, item, at) for item in phase["items"]]
    put_items(scope, subscription, with_items(subscription, sold))
    subscription["metadata"] = objects.merged_metadata(subscription["metadata"], phase["metadata"])
    if all_cycle_anew(before, cycles(subscription)) or phase["billing_cycle_anchor"] == "phase_start":
        subscription["billing_cycle_anchor"] = at
    subscription.update(gives(schedule, *OF_SUBSCRIPTION))
    if phase["trial_end"] and phase["trial_end"] > at:
        subscription.update(status="trialing", trial_start=at, trial_end=phase["trial_end"])
        subscription["billing_cycle_anchor"] = phase["trial_end"]
    _set_discounts(scope, schedule, subscription)
    set_end(scope, schedule, subscription)


def _item(scope: Scope, subscription: Object, kept: dict[str, Object], wanted: Object, at: int) -> Object:
    price = scope.objects["price"][wanted["price"]]
    item = kept.get(price["id"]) or subscription_item(scope, subscription, price, wanted.get("quantity"))
    if "quantity" in wanted:
        item["quantity"] = wanted["quantity"]
    item["metadata"] = objects.merged_metadata(item["metadata"], wanted["metadata"])
    # A new one's first period begins where that of the others does.
    item["current_period_end"] = item["current_period_end"] or at
    return item


def _planned(scope: Scope, subscription: Object, at: int) -> list[Object] | None:
    """Return the items of the phase that begins with a period, for a preview of its invoice."""
    schedule = of(scope, subscription)
    if schedule is None or schedule["status"] != "active" or current(schedule)["end_date"] > at:
        return None
    phase = following(schedule)
    kept = {item["price"]["id"]: item for item in copy.deepcopy(items(subscription))}
    return [_item(scope, subscription, kept, item, at) for item in phase["items"]] if phase else None


def _set_discounts(scope: Scope, schedule: Object, subscription: Object) -> None:
    """Put the current phase's discounts in the place of those before, unless they are the same."""
    wanted = current(schedule)["discounts"]
    if wanted == schedule["_discounts"]:
        return
    schedule["_discounts"] = wanted
    customer = scope.objects["customer"][subscription["customer"]]
    given = [
        {name: value for name, value in item.items() if value}
        for item in wanted
        if not item["discount"] or item["discount"] in subscription["discounts"]
    ]
    discounting.redeem(scope, discounting.discounts(scope, given, customer), subscription)


def set_end(scope: Scope, schedule: Object, subscription: Object) -> None:
    """Say on the subscription when it ends: in the last phase of a schedule that cancels, and not before."""
    ends = schedule["end_behavior"] == "cancel" and following(schedule) is None
    end = current(schedule)["end_date"] if ends else None
    if subscription["cancel_at"] != end or subscription["cancel_at_period_end"]:
        subscription.update(cancel_at=end, cancel_at_period_end=False, canceled_at=scope.now() if ends else None)


def detach(schedule: Object, subscription: Object) -> None:
    """Let a subscription go on without its schedule."""
    subscription["schedule"] = None
    schedule.update(current_phase=None, subscription=None, released_subscription=subscription["id"])


def complete(scope: Scope, schedule: Object, subscription: Object) -> None:
    """End a schedule after its last phase; the subscription goes on."""
    with changing(scope, subscription, "customer.subscription.updated"):
        detach(schedule, subscription)
    schedule.update(status="completed", completed_at=scope.now())
    record(scope, "subscription_schedule.completed", schedule)


def expiring(scope: Scope, schedule: Object) -> None:
    """Announce the end of a schedule."""
    schedule["_announced_for"] = schedule["phases"][-1]["end_date"]
    record(scope, "subscription_schedule.expiring", schedule)


def _ended(scope: Scope, subscription: Object, reason: str) -> None:
    """End the schedule of a subscription that has ended: as planned, for want of payment, or by somebody's wish."""
    schedule = of(scope, subscription)
    if schedule is None:
        return
    now = scope.now()
    planned = schedule["end_behavior"] == "cancel" and schedule["phases"][-1]["end_date"] <= now
    schedule["current_phase"] = None
    if planned:
        schedule.update(status="completed", completed_at=now)
    else:
        schedule.update(status="canceled", canceled_at=now)
    ending = "aborted" if reason == "payment_failed" else "canceled"
    record(scope, f"subscription_schedule.{'completed' if planned else ending}", schedule)


def _follow(scope: Scope, subscription: Object, params: Object, before: list[Object]) -> None:
    """Split the current phase where a subscription was changed past its schedule; the next ones stay."""
    schedule = of(scope, subscription)
    if schedule is None or schedule["_applying"] or schedule["status"] != "active":
        return
    phase = current(schedule)
    sold = schedule_phases.sold_by(subscription)
    trial_end = subscription["trial_end"] if subscription["status"] == "trialing" else None
    same = _comparable(sold) == _comparable(phase["items"]) and trial_end == phase["trial_end"]
    if same and "discounts" not in params:
        return
    now = scope.now()
    with changing(scope, schedule, "subscription_schedule.updated"):
        changed = {**phase, "items": sold, "trial_end": trial_end}
        changed["discounts"] = schedule["_discounts"] = schedule_phases.discounts_of(subscription)
        if phase["start_date"] < now < phase["end_date"]:
            schedule["phases"].insert(schedule["_index"] + 1, {**changed, "start_date": now})
            phase["end_date"] = now
            go_to(schedule, schedule["_index"] + 1)
        else:
            schedule["phases"][schedule["_index"]] = changed


def _comparable(sold: list[Object]) -> list[tuple[str, int | None]]:
    return sorted((item["price"], item.get("quantity")) for item in sold)


def _pending_applied(scope: Scope, subscription: Object, invoice: Object) -> None:
    if invoice["_pending_update"]:
        _follow(scope, subscription, {}, [])


def _customer_deleted(scope: Scope, customer: Object) -> None:
    for schedule in scope.related("subscription_schedule", customer=customer["id"], status="not_started"):
        schedule.update(status="canceled", canceled_at=scope.now())
        record(scope, "subscription_schedule.canceled", schedule)


customers.ON_DELETE.append(_customer_deleted)
canceling.ON_END.append(_ended)
changing_subscriptions.ON_UPDATE.append(_follow)
changing_subscriptions.PLANNED.append(_planned)
invoicing.ON_PAID.append(_pending_applied)
