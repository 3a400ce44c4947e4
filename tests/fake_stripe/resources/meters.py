"""`/v1/billing/meters` and `/v1/billing/meter_events`."""

from __future__ import annotations

from tests.fake_stripe import metering
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/billing/meters")
def create(call: Call) -> Object:
    """Create a meter."""
    return metering.create_meter(call.scope, call.params)


@route("GET", "/v1/billing/meters")
def list_meters(call: Call) -> Object:
    """List meters, newest first."""
    wanted = {name: call.params[name] for name in ("status",) if name in call.params}
    return paginate(call, call.scope.related("billing.meter", **wanted))


@route("GET", "/v1/billing/meters/{id}")
def retrieve(call: Call) -> Object:
    """Return a meter."""
    return call.scope.get("billing.meter", call.id())


@route("POST", "/v1/billing/meters/{id}")
def update(call: Call) -> Object:
    """Change the name of a meter."""
    meter = call.scope.get("billing.meter", call.id())
    meter.update({name: call.params[name] for name in ("display_name",) if name in call.params})
    return meter


@route("POST", "/v1/billing/meters/{id}/deactivate")
def deactivate(call: Call) -> Object:
    """Let a meter take no more events."""
    meter = call.scope.get("billing.meter", call.id())
    meter.update(status="inactive", status_transitions={"deactivated_at": call.scope.now()})
    return meter


@route("POST", "/v1/billing/meters/{id}/reactivate")
def reactivate(call: Call) -> Object:
    """Let a meter take events again."""
    meter = call.scope.get("billing.meter", call.id())
    meter.update(status="active", status_transitions={"deactivated_at": None})
    return meter


@route("GET", "/v1/billing/meters/{id}/event_summaries")
def list_summaries(call: Call) -> Object:
    """List what a customer used, newest first."""
    meter = call.scope.get("billing.meter", call.id())
    found = metering.summaries(call.scope, meter, call.params)
    return paginate(call, found)


@route("POST", "/v1/billing/meter_events")
def report(call: Call) -> Object:
    """Report use."""
    event = metering.report(call.scope, call.params)
    return {name: value for name, value in event.items() if name != "id"}
