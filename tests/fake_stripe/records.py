"""What the fake remembers about the requests it got."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class RequestRecord:
    """One request to the API, in the order of arrival.

    `key_name` is the name the API key was registered under (see `FakeStripe.add_key`), `connection` the number of the
    TCP connection. `status` is None while the request is in flight, and where the connection was reset instead of an
    answer. `acts` counts how often the request was executed: 0 for a replay or a refusal, 2 for a doubled one.
    """

    method: str
    path: str
    params: Mapping[str, Any]
    idempotency_key: str | None
    key_name: str | None
    stripe_version: str | None
    connection: int
    client_port: int
    request_id: str
    user_agent: str | None = None
    stripe_context: str | None = None
    stripe_account: str | None = None
    replayed: bool = False
    acts: int = 0
    fault: str | None = None
    status: int | None = None


@dataclasses.dataclass(frozen=True)
class Violation:
    """A request that Stripe's API description does not allow."""

    method: str
    path: str
    message: str
    param: str | None = None
    code: str | None = None
