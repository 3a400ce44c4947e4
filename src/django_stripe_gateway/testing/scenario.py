"""What the scenarios of payments and of billing share: keys, refusals, and what may leave a gateway."""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import GatewayError

#: What a snapshot may hold, and no subclasses, beside enums, snapshots, dicts with text as keys, lists and tuples.
PLAIN_TYPES = frozenset({str, int, bool, Decimal, datetime, type(None)})


class Refusal:
    """The error that a block inside of ``Scenario.refused`` has ended with."""

    error: GatewayError


class Scenario:
    """A gateway under test; a new one for each test."""

    #: Regular expressions of what must show nowhere: the API key, tokens that the provider has given out.
    secrets: ClassVar[tuple[str, ...]] = ()

    @cached_property
    def keys(self) -> list[str]:
        """The idempotency keys that were used."""
        return []

    def key(self) -> str:
        """Return a new idempotency key."""
        key = f"conformance-{uuid.uuid4().hex}"
        self.keys.append(key)
        return key

    @contextmanager
    def refused(self, *expected: type[GatewayError]) -> Iterator[Refusal]:
        """Fail unless the block raises one of ``expected``, with a code and a sentence that gives nothing away."""
        refusal, caught = Refusal(), None
        try:
            yield refusal
        except Exception as error:
            caught = error
        names = " or ".join(error.__name__ for error in expected)
        if not isinstance(caught, expected):
            raise AssertionError(f"expected {names}, and not {caught!r}") from caught
        assert caught.code, "the error has no code"
        assert caught.detail, "the error has no sentence"
        self.assert_no_secret(json.dumps(caught.as_dict(), default=str))
        refusal.error = caught

    def assert_no_secret(self, text: str) -> None:
        """Fail if ``text`` shows a secret."""
        for secret in self.secrets:
            assert re.search(secret, text) is None, f"a secret shows in {text}"

    def assert_plain(self, value: Any) -> None:
        """Fail if a snapshot holds anything but plain values, or shows or records a secret."""
        for inner in values_of(value):
            if isinstance(inner, dict):
                assert type(inner) is dict, type(inner)
                assert all(type(name) is str for name in inner), inner
            elif not dataclasses.is_dataclass(inner) and not isinstance(inner, list | tuple | Enum):
                assert type(inner) in PLAIN_TYPES, f"{inner!r} is no plain value"
        self.assert_no_secret(repr(value))
        secret = getattr(value, "client_secret", "")
        if secret:
            assert secret not in repr(value), "the client secret shows"
        if hasattr(value, "raw"):
            recorded = json.dumps(dict(value.raw))
            assert json.loads(recorded) == value.raw, "what is kept of the object is no JSON"
            assert not secret or secret not in recorded, "the client secret is recorded"
            self.assert_no_secret(recorded)


def values_of(value: Any) -> Iterator[Any]:
    """Yield everything inside of a snapshot, and the snapshot itself."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from values_of(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from values_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from values_of(inner)
    yield value
