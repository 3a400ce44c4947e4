"""`/v1/refunds`."""

from __future__ import annotations

from tests.fake_stripe import objects, refunding
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import record
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/refunds")
def create(call: Call) -> Object:
    """Refund a charge, or the charge of an intent."""
    params = call.params
    metadata = objects.merged_metadata({}, params.get("metadata"))
    return refunding.create(
        call.scope,
        _charge(call),
        params.get("amount"),
        gives_back=params,
        metadata=metadata,
        reason=params.get("reason"),
    )


@route("GET", "/v1/refunds")
def list_refunds(call: Call) -> Object:
    """List refunds, newest first, of everything or of one intent or charge."""
    wanted = {name: call.params[name] for name in ("payment_intent", "charge") if name in call.params}
    for kind, identifier in wanted.items():
        call.scope.get(kind, identifier, param=kind, in_url=False)
    return paginate(call, call.scope.related("refund", **wanted))


@route("GET", "/v1/refunds/{id}")
def retrieve(call: Call) -> Object:
    """Return a refund."""
    return call.scope.get("refund", call.id())


@route("POST", "/v1/refunds/{id}")
def update(call: Call) -> Object:
    """Change a refund's metadata."""
    refund = call.scope.get("refund", call.id())
    before = {"metadata": refund["metadata"]}
    refund["metadata"] = objects.merged_metadata(refund["metadata"], call.params.get("metadata"))
    record(call.scope, "refund.updated", refund, previous=before)
    record(call.scope, "charge.refund.updated", refund, previous=before)
    return refund


def _charge(call: Call) -> Object:
    params, scope = call.params, call.scope
    if "charge" in params:
        return scope.get("charge", params["charge"], param="charge", in_url=False)
    if "payment_intent" not in params:
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    intent = scope.get("payment_intent", params["payment_intent"], param="payment_intent", in_url=False)
    charge = scope.find("charge", intent["latest_charge"])
    if intent["status"] != "succeeded" or charge is None:
        raise ApiError(400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return charge
