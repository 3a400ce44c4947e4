"""Record events as Stripe sends them, and sign them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Iterator

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
    if scope.platform() is not None:
        # An endpoint of the platform's names whose event it is.
        event["account"] = scope.account
    scope.add(event)
    state.event_log.append(event)
    return event


@contextlib.contextmanager
def changing(scope: Scope, obj: Object, *types: str) -> Iterator[None]:
    """Record `types` if the block changed `obj`, with what was there before, in the shape of the state's generation."""
    before = shapes.render(obj, scope, scope.state.generation)
    yield
    after = shapes.render(obj, scope, scope.state.generation)
    previous = {name: before.get(name) for name in after if before.get(name) != after[name]}
    if previous:
        for type in types:
            record(scope, type, obj, previous=previous)


def signature_header(body: bytes, secret: str, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of `body` (https://docs.stripe.com/webhooks#verify-manually)."""
    signed = str(timestamp).encode() + b"." + body
    return f"t={timestamp},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
