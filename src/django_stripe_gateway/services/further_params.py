"""Parameters of a provider's own that the host adds to a call: asked for once, checked, and kept with the operation.

The adapter is asked before the transaction in which the operation is stored, because a host may look something up. What
is wrong with its answer is raised where it would be stored: a request that was made before needs no answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise

from django_stripe_gateway.adapter import CallKind, ProviderCall, get_adapter, wrong_answer
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.further_params import TakesFurtherParams

METHOD = "further_params"
#: Where they are kept among an operation's own parameters.
KEPT_AS = "further"
# Of the answer as JSON. Bigger than any form that somebody fills in for one call.
MAX_BYTES = 20_000
MAX_DEPTH = 12
# What a number is exact up to in JSON, whoever reads it.
MAX_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class FurtherParams:
    """What a host adds to a call.

    Args:
        params: as JSON has them.
        problem: what is wrong with the answer, raised when somebody needs it.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    problem: GatewayError | None = None

    def verified(self) -> Mapping[str, Any]:
        """Return the parameters.

        Raises:
            GatewayError: what the host has answered cannot be sent.
        """
        if self.problem is not None:
            raise self.problem
        return self.params


NOTHING = FurtherParams()


def ask_host(
    kind: CallKind,
    find_gateway: Callable[[str], TakesFurtherParams],
    variant: str,
    *,
    own_metadata: Collection[str] = (),
    **about: Any,
) -> FurtherParams:
    """Return what the host's adapter adds to a call.

    Args:
        find_gateway: returns the gateway that is called, of ``variant``.
        own_metadata: the keys of the metadata that the call carries anyway.
        about: further fields of ``ProviderCall``.
    """
    try:
        gateway = find_gateway(variant)
        answer: Any = get_adapter().further_params(ProviderCall(kind, gateway.provider, variant, **about))
        if answer == {}:
            return NOTHING
        if not isinstance(answer, Mapping):
            raise wrong_answer(METHOD, "must return a dictionary of parameters")
        params = storable(answer)
        if len(json.dumps(params).encode()) > MAX_BYTES:
            raise wrong_answer(METHOD, f"returns more than {MAX_BYTES} bytes of parameters")
        gateway.check_further_params(kind, params, own_metadata=own_metadata)
    except GatewayError as error:
        return FurtherParams(problem=error)
    return FurtherParams(params)


def kept_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the host has added to a call, out of its operation's parameters."""
    kept: Mapping[str, Any] = params.get(KEPT_AS, {})
    return kept


def storable(value: Any, path: str = "", depth: int = 0) -> Any:
    """Return a host's value as JSON has it: decimals as texts, moments as seconds since 1970.

    Raises:
        GatewayConfigurationError: it is none that could be sent, and sent again.
    """
    if depth > MAX_DEPTH:
        raise wrong_answer(METHOD, f"nests {path} more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | Promise):
        return _storable_text(str(value), path)
    if isinstance(value, int):
        return _storable_integer(value, path)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise wrong_answer(METHOD, f"returns {value} as {path}, which is no number")
        return format(value, "f")
    if isinstance(value, datetime):
        if timezone.is_naive(value):
            raise wrong_answer(METHOD, f"returns a moment without a time zone as {path}")
        return int(value.timestamp())
    if isinstance(value, Mapping):
        return _storable_dictionary(value, path, depth)
    if isinstance(value, list | tuple):
        return [storable(part, f"{path}[{index}]", depth + 1) for index, part in enumerate(value)]
    kind = "a float: use a Decimal" if isinstance(value, float) else f"a {type(value).__name__}"
    kind = "a date: use a moment with a time zone" if isinstance(value, date) else kind
    raise wrong_answer(METHOD, f"returns, as {path}, {kind}")


def _storable_dictionary(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in value.items():
        if not isinstance(name, str):
            raise wrong_answer(METHOD, f"names a parameter of {path or 'the call'} by {name!r}, which is no text")
        key = _storable_text(str(name), f"a name within {path or 'the call'}")
        found[key] = storable(part, f"{path}.{key}" if path else key, depth + 1)
    return found


def _storable_text(value: str, path: str) -> str:
    if "\0" in value or value != value.encode(errors="replace").decode():
        raise wrong_answer(METHOD, f"returns, as {path}, a text with characters that cannot be stored")
    return value


def _storable_integer(value: int, path: str) -> int:
    if not -MAX_INTEGER < value < MAX_INTEGER:
        raise wrong_answer(METHOD, f"returns, as {path}, a number that is too large")
    return int(value)
