"""The `/_fake/…` URLs, for a fake that runs on its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.fake_stripe.billing_controls import BILLING_OVER_HTTP
from tests.fake_stripe.controls import OVER_HTTP as PAYMENTS_OVER_HTTP
from tests.fake_stripe.dispatch import Answer, Incoming
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.forms import decode
from tests.fake_stripe.schedule_controls import SCHEDULES_OVER_HTTP

if TYPE_CHECKING:
    from tests.fake_stripe.server import FakeStripe

OVER_HTTP = (*PAYMENTS_OVER_HTTP, *BILLING_OVER_HTTP, *SCHEDULES_OVER_HTTP)


def respond(fake: FakeStripe, incoming: Incoming) -> Answer:
    """Answer a control request.

    GET `/_fake/requests`, `events`, `violations`, `deliveries`, `faults`, `controls`; POST `/_fake/fault` with the
    arguments of `FakeStripe.fault`; POST `/_fake/control/<method>` with the arguments of the method of `Controls`,
    as JSON or as a form. `/_fake/complete`, `expire` and `settle` take `session_id` and stand for the methods.
    """
    name = incoming.path.removeprefix("/_fake/").strip("/")
    try:
        if incoming.method == "GET":
            return _json(200, _read(fake, name))
        return _json(200, _do(fake, name, _arguments(incoming)))
    except (LookupError, TypeError, ValueError) as error:
        return _json(400, {"error": str(error)})
    except ApiError as error:
        return _json(error.status, error.body())


def _read(fake: FakeStripe, name: str) -> Any:
    readable: dict[str, Callable[[], Any]] = {
        "requests": lambda: [dataclasses.asdict(record) for record in fake.requests],
        "events": lambda: fake.events(),
        "violations": lambda: [dataclasses.asdict(violation) for violation in fake.violations],
        "deliveries": lambda: [dataclasses.asdict(delivery) for delivery in fake.deliveries],
        "faults": lambda: [dataclasses.asdict(fault) for fault in fake.faults_pending],
        "controls": lambda: list(OVER_HTTP),
    }
    if name not in readable:
        raise LookupError(f"There is no /_fake/{name}; there are {', '.join(readable)}")
    return readable[name]()


_SHORT = {"complete": "complete_checkout", "expire": "expire_session", "settle": "settle_async"}


def _do(fake: FakeStripe, name: str, arguments: dict[str, Any]) -> Any:
    if name == "fault":
        return dataclasses.asdict(fake.fault(**arguments))
    method = _SHORT.get(name, name.removeprefix("control/"))
    if method not in OVER_HTTP:
        raise LookupError(f"There is no control {method}; there are {', '.join(OVER_HTTP)}")
    return getattr(fake, method)(**arguments)


def _arguments(incoming: Incoming) -> dict[str, Any]:
    if "json" in incoming.headers.get("content-type", ""):
        loaded: dict[str, Any] = json.loads(incoming.form or "{}")
        return loaded
    simple = {"true": True, "false": False}
    return {
        name: simple.get(value, int(value) if str(value).isdigit() else value)
        for name, value in decode(incoming.form).items()
    }


def _json(status: int, content: Any) -> Answer:
    return Answer(status, json.dumps(content, indent=2, default=str).encode())
