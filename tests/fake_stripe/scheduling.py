"""What can be done with subscription schedules (https://docs.stripe.com/billing/subscriptions/subscription-schedules).

Call with the state's lock held.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from tests.fake_stripe import (
    canceling,
    changing_subscriptions,
    objects,
    schedule_phases,
    schedule_steps,
    subscription_objects,
)
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.state import Object, Scope

_SETTINGS: Object = {
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_cycle_anchor": "automatic",
    "billing_thresholds": None,
    "collection_method": "charge_automatically",
    "default_payment_method": None,
    "default_source": None,
    "description": None,
    "invoice_settings": {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": None,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    },
    "on_behalf_of": None,
    "transfer_data": None,
}
_MIGRATABLE = ("active", "past_due", "paused", "trialing", "unpaid")


def create(scope: Scope, params: Object) -> Object:
    """Create a schedule, of a subscription that is there or of one that its first phase makes."""
    if "from_subscription" in params:
        return _from_subscription(scope, params)
    for name in ("customer", "phases", "start_date"):
        if not params.get(name):
            raise missing_param(name)
    customer = scope.get("customer", params["customer"], param="customer", in_url=False)
    start = scope.now() if params["start_date"] == "now" else params["start_date"]
    if start < scope.now():
        raise ApiError(501, "The fake Stripe does not implement schedules that began in the past", type="api_error")
    mode = subscription_objects.billing_mode(params.get("billing_mode", {}))
    phases = schedule_phases.build(scope, params["phases"], start, customer, mode)
    schedule = _schedule(scope, customer["id"], phases, mode)
    schedule["metadata"] = objects.merged_metadata({}, params.get("metadata"))
    _set(schedule, params)
    scope.add(schedule)
    if start == scope.now():
        try:
            schedule_steps.begin(scope, schedule)
        except ApiError:
            del scope.objects["subscription_schedule"][schedule["id"]]
            raise
    record(scope, "subscription_schedule.created", schedule)
    return schedule


def _from_subscription(scope: Scope, params: Object) -> Object:
    for name in params:
        if name not in {"from_subscription", "expand"}:
            raise invalid(f"You cannot set `{name}` if `from_subscription` is set.")
    subscription = scope.get("subscription", params["from_subscription"], param="from_subscription", in_url=False)
    if subscription["status"] not in _MIGRATABLE:
        raise ApiError(
            400, f"You cannot migrate a subscription that is currently in the `{subscription['status']}` status."
        )
    if subscription["schedule"]:
        raise ApiError(
            400,
            f"You cannot migrate a subscription that is already attached to a schedule: `{subscription['schedule']}`.",
        )
    phases = [schedule_phases.of_subscription(subscription)]
    schedule = _schedule(scope, subscription["customer"], phases, subscription["billing_mode"])
    for name in ("collection_method", "default_payment_method", "description"):
        schedule["default_settings"][name] = subscription[name]
    schedule["default_settings"]["invoice_settings"]["days_until_due"] = subscription["days_until_due"]
    ends = subscription["cancel_at_period_end"] or subscription["cancel_at"]
    schedule.update(status="active", subscription=subscription["id"], end_behavior="cancel" if ends else "release")
    schedule["_discounts"] = schedule["phases"][0]["discounts"]
    schedule_steps.go_to(schedule, 0)
    scope.add(schedule)
    record(scope, "subscription_schedule.created", schedule)
    with changing(scope, subscription, "customer.subscription.updated"):
        subscription["schedule"] = schedule["id"]
        schedule_steps.set_end(scope, schedule, subscription)
    return schedule


def _schedule(scope: Scope, customer: str, phases: list[Object], billing_mode: Object) -> Object:
    return {
        "id": scope.new_id("sub_sched_"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": copy.deepcopy(billing_mode),
        "canceled_at": None,
        "completed_at": None,
        "created": scope.now(),
        "current_phase": None,
        "customer": customer,
        "customer_account": None,
        "default_settings": copy.deepcopy(_SETTINGS),
        "end_behavior": "release",
        "livemode": scope.livemode,
        "metadata": {},
        "phases": phases,
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": None,
        "_announced_for": 0,
        "_applying": False,
        "_discounts": [],
        "_index": 0,
    }


def _set(schedule: Object, params: Object) -> None:
    behavior = params.get("end_behavior", schedule["end_behavior"])
    if behavior not in {"cancel", "release"}:
        raise ApiError(501, f"The fake Stripe does not implement end_behavior={behavior}", type="api_error")
    schedule["end_behavior"] = behavior
    for name, value in params.get("default_settings", {}).items():
        earlier = schedule["default_settings"].get(name)
        schedule["default_settings"][name] = {**earlier, **value} if isinstance(earlier, dict) else value or None


def update(scope: Scope, schedule: Object, params: Object) -> None:
    """Change a schedule; what its current phase is from now on, its subscription is too."""
    _check_running(schedule, "update", "updated")
    before = copy.deepcopy(schedule)
    try:
        with changing(scope, schedule, "subscription_schedule.updated"):
            schedule["metadata"] = objects.merged_metadata(schedule["metadata"], params.get("metadata"))
            _set(schedule, params)
            if "phases" in params:
                _replace_phases(scope, schedule, params["phases"])
            if schedule["status"] == "active" and {"phases", "end_behavior"} & set(params):
                subscription = scope.objects["subscription"][schedule["subscription"]]
                behavior = params.get("proration_behavior", "create_prorations")
                schedule_steps.apply(scope, schedule, subscription, behavior)
    except ApiError:
        schedule.clear()
        schedule.update(before)
        raise


def preview(scope: Scope, schedule: Object, details: Object) -> Object:
    """Return the invoice that an update of a schedule would lead to: the one made at once, or the next one."""
    _check_running(schedule, "preview", "previewed")
    if schedule["status"] != "active":
        raise ApiError(501, "The fake Stripe previews schedules that have a subscription only.", type="api_error")
    planned = copy.deepcopy(schedule)
    _set(planned, details)
    if "phases" in details:
        _replace_phases(scope, planned, details["phases"])
    found = copy.deepcopy(scope.objects["subscription"][schedule["subscription"]])
    schedule_steps.set_end(scope, planned, found)
    behavior = details.get("proration_behavior", "create_prorations")
    change = schedule_steps.change_to(scope, planned, found, behavior)
    stored = scope.objects["subscription_schedule"]
    stored[schedule["id"]] = planned
    try:
        return changing_subscriptions.preview(scope, found, change)
    finally:
        stored[schedule["id"]] = schedule


def _replace_phases(scope: Scope, schedule: Object, given: list[Object]) -> None:
    """Put other phases in the place of the current and the future ones; those that are past stay."""
    customer = scope.objects["customer"][schedule["customer"]]
    active = schedule["status"] == "active"
    begins = schedule_steps.current(schedule)["start_date"]
    start = schedule_phases.first_start(scope, given, begins)
    currency = schedule["phases"][0]["currency"]
    phases = schedule_phases.build(scope, given, start, customer, schedule["billing_mode"], currency)
    if not active:
        if phases[0]["start_date"] < scope.now():
            raise invalid("The first phase of a schedule that has not started must begin in the future.", "phases")
        schedule["phases"] = phases
        return
    phases = [phase for phase in phases if phase["start_date"] >= begins]
    if not phases or phases[0]["start_date"] != begins:
        raise invalid("You can not modify the start date of the current phase.")
    index = schedule["_index"]
    schedule["phases"] = [*schedule["phases"][:index], *phases]
    now = scope.now()
    while index + 1 < len(schedule["phases"]) and schedule["phases"][index]["end_date"] <= now:
        index += 1
    if schedule["phases"][index]["end_date"] <= now:
        raise invalid("The end date of the current phase must be in the future.", "phases")
    schedule_steps.go_to(schedule, index)


def release(scope: Scope, schedule: Object, params: Object) -> None:
    """Stop a schedule; its subscription goes on."""
    _check_running(schedule, "release", "released")
    subscription = scope.find("subscription", schedule["subscription"])
    with changing(scope, schedule, "subscription_schedule.updated"):
        schedule.update(current_phase=None, released_at=scope.now(), status="released")
        if subscription:
            with changing(scope, subscription, "customer.subscription.updated"):
                schedule_steps.detach(schedule, subscription)
                if schedule["end_behavior"] == "cancel" and not params.get("preserve_cancel_date"):
                    subscription.update(cancel_at=None, canceled_at=None)
    record(scope, "subscription_schedule.released", schedule)


def cancel(scope: Scope, schedule: Object, params: Object) -> None:
    """End a schedule, and its subscription with it."""
    _check_running(schedule, "cancel", "canceled")
    subscription = scope.find("subscription", schedule["subscription"])
    if subscription:
        given = {name: params.get(name, True) for name in ("invoice_now", "prorate")}
        canceling.cancel_now(scope, subscription, given)
        return
    schedule.update(status="canceled", canceled_at=scope.now())
    record(scope, "subscription_schedule.canceled", schedule)


def _check_running(schedule: Object, verb: str, done: str) -> None:
    if schedule["status"] not in schedule_steps.RUNNING:
        raise ApiError(
            400,
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` status. It "
            f"must be in `not_started, active` status to be {done}.",
        )


def due(scope: Scope) -> Iterator[tuple[int, int, Callable[[], None]]]:
    """Yield what time will bring to schedules: when, its rank among what happens at the same moment, and what.

    A phase that begins with a period is entered as that is billed, which comes first.
    """
    for schedule in scope.related("subscription_schedule", status="not_started"):
        yield (
            schedule["phases"][0]["start_date"],
            0,
            lambda schedule=schedule: schedule_steps.begin_later(scope, schedule),
        )
    for schedule in scope.related("subscription_schedule", status="active"):
        end = schedule["phases"][-1]["end_date"]
        yield (
            schedule["current_phase"]["end_date"],
            7,
            lambda schedule=schedule: schedule_steps.move_on(scope, schedule),
        )
        if schedule["_announced_for"] != end:
            soon = end - schedule_steps.EXPIRES_SOON
            yield soon, 4, lambda schedule=schedule: schedule_steps.expiring(scope, schedule)
