"""`/v1/checkout/sessions`."""

from __future__ import annotations

from tests.fake_stripe import checkout, shapes
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.item_rules import with_billing_mode
from tests.fake_stripe.objects import merged_metadata
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/checkout/sessions")
def create(call: Call) -> Object:
    """Create a session, open until it is completed or expires."""
    params = call.params
    if params.get("mode") == "subscription":
        params = {**params, "subscription_data": with_billing_mode(params.get("subscription_data", {}), call.version)}
    return checkout.create(call.scope, params)


@route("GET", "/v1/checkout/sessions")
def list_sessions(call: Call) -> Object:
    """List sessions, newest first."""
    names = ("payment_intent", "customer", "status", "subscription")
    wanted = {name: call.params[name] for name in names if name in call.params}
    return paginate(call, call.scope.related("checkout.session", **wanted))


@route("GET", "/v1/checkout/sessions/{id}")
def retrieve(call: Call) -> Object:
    """Return a session."""
    return _session(call)


@route("POST", "/v1/checkout/sessions/{id}")
def update(call: Call) -> Object:
    """Change a session's metadata."""
    session = _session(call)
    session["metadata"] = merged_metadata(session["metadata"], call.params.get("metadata"))
    return session


@route("POST", "/v1/checkout/sessions/{id}/expire")
def expire(call: Call) -> Object:
    """Expire an open session."""
    session = _session(call)
    if session["status"] != "open":
        raise ApiError(
            400,
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`.",
        )
    checkout.expire(call.scope, session)
    return session


@route("GET", "/v1/checkout/sessions/{id}/line_items")
def line_items(call: Call) -> Object:
    """List what the session sells."""
    return shapes.listed(_session(call)["_line_items"], call.path)


def _session(call: Call) -> Object:
    return call.scope.get("checkout.session", call.id(), param="session")
