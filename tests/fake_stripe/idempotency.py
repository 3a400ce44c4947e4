"""Stripe's idempotency keys (https://docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from tests.fake_stripe.errors import ApiError

_LONGEST_KEY = 255


@dataclasses.dataclass
class Saved:
    """The first request under a key; `status` and `body` are None while it is in flight."""

    method: str
    path: str
    params: dict[str, Any]
    request_id: str
    status: int | None = None
    body: bytes | None = None


class IdempotencyKeys:
    """What was answered under which key, per account and mode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._saved: dict[tuple[str, bool, str], Saved] = {}

    def begin(self, owner: tuple[str, bool], key: str, method: str, path: str, params: dict[str, Any]) -> Saved | None:
        """Return what was answered under the key, or None for the first request, which must `finish` or `abandon`.

        Raises ApiError if the key is in flight, or was used with other parameters or for another endpoint.
        """
        if len(key) > _LONGEST_KEY:
            raise ApiError(400, "Idempotency keys must be at most 255 characters long.", type="idempotency_error")
        with self._lock:
            saved = self._saved.get((*owner, key))
            if saved is None:
                self._saved[(*owner, key)] = Saved(method, path, params, "")
                return None
        if (saved.method, saved.path) != (method, path):
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{path}' vs '{saved.path}'). Try using a key other than '{key}' if you meant to execute a different "
                "request.",
                type="idempotency_error",
            )
        if saved.params != params:
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
                f"using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        if saved.body is None:
            raise ApiError(
                409,
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again later.",
                code="idempotency_key_in_use",
            )
        return saved

    def finish(self, owner: tuple[str, bool], key: str, request_id: str, status: int, body: bytes) -> None:
        """Save the answer of the first request."""
        with self._lock:
            saved = self._saved[(*owner, key)]
            saved.request_id, saved.status, saved.body = request_id, status, body

    def abandon(self, owner: tuple[str, bool], key: str) -> None:
        """Forget the first request: nothing was done."""
        with self._lock:
            self._saved.pop((*owner, key), None)

    def forget_all(self) -> None:
        """Forget every key, as Stripe does after 24 hours."""
        with self._lock:
            self._saved.clear()
