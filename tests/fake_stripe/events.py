"""Record events as Stripe sends them, and sign them."""

from __future__ import annotations

import hashlib
import hmac

from tests.fake_stripe import shapes
from tests.fake_stripe.state import Object, Scope


def record(scope: Scope, type: str, obj: Object, *, previous: Object | None = None) -> Object:
    """Record that `type` happened to `obj` as it is now; return the event, in the shape of the state's generation."""
    state = scope.state
    data: Object = {"object": shapes.render(obj, scope, state.generation)}
    if previous:
        data["previous_attributes"] = previous
    event = {
        "id": scope.new_id("evt_"),
        "object": "event",
        "api_version": shapes.GENERATIONS[state.generation].api_version,
        "created": scope.now(),
        "data": data,
        "livemode": scope.livemode,
        "pending_webhooks": 1,
        "request": {"id": state.cause.request_id, "idempotency_key": state.cause.idempotency_key},
        "type": type,
    }
    scope.add(event)
    state.event_log.append(event)
    return event


def signature_header(body: bytes, secret: str, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of `body` (https://docs.stripe.com/webhooks#verify-manually)."""
    signed = str(timestamp).encode() + b"." + body
    return f"t={timestamp},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
