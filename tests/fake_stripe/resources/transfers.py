"""`/v1/transfers` and `/v1/application_fees`: what destination charges have led to."""

from __future__ import annotations

from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("GET", "/v1/transfers")
def list_transfers(call: Call) -> Object:
    """List transfers, newest first."""
    wanted = {name: call.params[name] for name in ("destination",) if name in call.params}
    return paginate(call, call.scope.related("transfer", **wanted))


@route("GET", "/v1/application_fees")
def list_application_fees(call: Call) -> Object:
    """List application fees, newest first."""
    return paginate(call, call.scope.all("application_fee"))
