"""`/v1/events`."""

from __future__ import annotations

from tests.fake_stripe.errors import invalid
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object

_MOST_TYPES = 20
_RETENTION = 30 * 24 * 60 * 60


@route("GET", "/v1/events")
def list_events(call: Call) -> Object:
    """List the events of 30 days, newest first: of all types or some, delivered everywhere or not."""
    params = call.params
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.")
    if len(params.get("types", ())) > _MOST_TYPES:
        raise invalid(f"Array must contain no more than {_MOST_TYPES} elements.", "types")
    types = params.get("types") or ([params["type"]] if "type" in params else [])
    events = [event for event in _kept(call) if not types or _matches(event, types)]
    if "delivery_success" in params:
        events = [event for event in events if (event["pending_webhooks"] == 0) == params["delivery_success"]]
    return paginate(call, events)


@route("GET", "/v1/events/{id}")
def retrieve_event(call: Call) -> Object:
    """Return an event, in the shape it had when it happened."""
    return call.scope.get("event", call.id())


def _kept(call: Call) -> list[Object]:
    oldest = call.scope.now() - _RETENTION
    return [event for event in call.scope.all("event") if event["created"] >= oldest]


def _matches(event: Object, types: list[str]) -> bool:
    return any(
        event["type"].startswith(wanted[:-1]) if wanted.endswith("*") else event["type"] == wanted for wanted in types
    )
