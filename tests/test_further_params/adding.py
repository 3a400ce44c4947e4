"""A host whose adapter adds what a test has prepared, and says what it was asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_stripe_gateway.adapter import Adapter, CallKind, ProviderCall

#: What is added to each kind of call: a dictionary, or a function of the call.
ADDED: dict[CallKind, Any] = {}
#: The calls that the adapter was asked about.
ASKED: list[ProviderCall] = []


class Adding(Adapter):
    """Adds what stands in ``ADDED``."""

    def further_params(self, call: ProviderCall) -> Any:
        ASKED.append(call)
        added: dict[str, Any] | Callable[[ProviderCall], Any] = ADDED.get(call.kind, {})
        return added(call) if callable(added) else added
