"""`/v1/subscriptions`."""

from __future__ import annotations

from tests.fake_stripe import canceling, changing_subscriptions, subscribing
from tests.fake_stripe.errors import missing_param
from tests.fake_stripe.item_rules import with_billing_mode
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object
from tests.fake_stripe.subscription_objects import ENDED


@route("POST", "/v1/subscriptions")
def create(call: Call) -> Object:
    """Create a subscription, with its first invoice."""
    if "customer" not in call.params:
        raise missing_param("customer")
    return subscribing.create(call.scope, with_billing_mode(call.params, call.version))


@route("GET", "/v1/subscriptions")
def list_subscriptions(call: Call) -> Object:
    """List subscriptions, newest first; ended ones only if they are asked for."""
    wanted = {name: call.params[name] for name in ("customer",) if name in call.params}
    found = call.scope.related("subscription", **wanted)
    return paginate(call, [item for item in found if _matches(item, call.params.get("status"))])


def _matches(found: Object, status: str | None) -> bool:
    if status in {None, "ended"}:
        return (found["status"] in ENDED) == (status == "ended")
    return status in {"all", found["status"]}


@route("GET", "/v1/subscriptions/{id}")
def retrieve(call: Call) -> Object:
    """Return a subscription."""
    return _subscription(call)


@route("POST", "/v1/subscriptions/{id}")
def update(call: Call) -> Object:
    """Change a subscription."""
    found = _subscription(call)
    changing_subscriptions.update(call.scope, found, call.params)
    return found


@route("DELETE", "/v1/subscriptions/{id}")
def cancel(call: Call) -> Object:
    """End a subscription at once."""
    found = _subscription(call)
    canceling.cancel_now(call.scope, found, call.params)
    return found


@route("POST", "/v1/subscriptions/{id}/resume")
def resume(call: Call) -> Object:
    """Let a paused subscription go on."""
    found = _subscription(call)
    changing_subscriptions.resume(call.scope, found, call.params)
    return found


def _subscription(call: Call) -> Object:
    return call.scope.get("subscription", call.id())
