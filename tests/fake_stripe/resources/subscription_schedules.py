"""`/v1/subscription_schedules`."""

from __future__ import annotations

from tests.fake_stripe import scheduling
from tests.fake_stripe.item_rules import with_billing_mode
from tests.fake_stripe.routes import Call, paginate, route, within
from tests.fake_stripe.state import Object

_ENDED = ("canceled_at", "completed_at", "released_at")


@route("POST", "/v1/subscription_schedules")
def create(call: Call) -> Object:
    """Create a schedule."""
    params = call.params
    if "from_subscription" not in params:
        params = with_billing_mode(params, call.version)
    return scheduling.create(call.scope, params)


@route("GET", "/v1/subscription_schedules")
def list_schedules(call: Call) -> Object:
    """List schedules, newest first, whatever became of them."""
    wanted = {name: call.params[name] for name in ("customer",) if name in call.params}
    if "scheduled" in call.params:
        wanted["status"] = "not_started"
    found = call.scope.related("subscription_schedule", **wanted)
    for name in _ENDED:
        if name in call.params:
            found = [item for item in found if item[name] and within(item[name], call.params[name])]
    return paginate(call, found)


@route("GET", "/v1/subscription_schedules/{id}")
def retrieve(call: Call) -> Object:
    """Return a schedule."""
    return _schedule(call)


@route("POST", "/v1/subscription_schedules/{id}")
def update(call: Call) -> Object:
    """Change a schedule."""
    schedule = _schedule(call)
    scheduling.update(call.scope, schedule, call.params)
    return schedule


@route("POST", "/v1/subscription_schedules/{id}/release")
def release(call: Call) -> Object:
    """Stop a schedule, and let its subscription go on."""
    schedule = _schedule(call)
    scheduling.release(call.scope, schedule, call.params)
    return schedule


@route("POST", "/v1/subscription_schedules/{id}/cancel")
def cancel(call: Call) -> Object:
    """End a schedule with its subscription."""
    schedule = _schedule(call)
    scheduling.cancel(call.scope, schedule, call.params)
    return schedule


def _schedule(call: Call) -> Object:
    return call.scope.get("subscription_schedule", call.id(), param="schedule")
