"""Where the API differs from the description beside this file, which is of one version (2026-08-26.dahlia).

The SDK decides which version is asked for (stripe 16.1: 2026-10-28.endive). Add a line when a newer SDK brings one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tests.fake_stripe.errors import ApiError, invalid


@dataclasses.dataclass(frozen=True)
class Added:
    """A parameter that newer versions know; `into` leads to the object that gets it, "*" being a list's items."""

    method: str
    path: str
    into: tuple[str, ...]
    name: str
    schema: dict[str, Any]


_STRINGS = {"type": "array", "items": {"type": "string"}}
_SCHEDULES = "/v1/subscription_schedules"
_PREVIEW = "/v1/invoices/create_preview"

ADDED = (
    # https://docs.stripe.com/changelog/endive/2026-09-30/remove-payment-method-types-checkout-sessions
    Added("POST", "/v1/checkout/sessions", (), "allowed_payment_method_types", _STRINGS),
    # Older versions know these; see REMOVED.
    Added("POST", _SCHEDULES, ("phases", "*"), "coupon", {"type": "string"}),
    Added("POST", _SCHEDULES, ("phases", "*"), "iterations", {"type": "integer"}),
    Added("POST", _SCHEDULES + "/{schedule}", ("phases", "*"), "coupon", {"type": "string"}),
    Added("POST", _SCHEDULES + "/{schedule}", ("phases", "*"), "iterations", {"type": "integer"}),
    Added("POST", _PREVIEW, ("schedule_details", "phases", "*"), "coupon", {"type": "string"}),
    Added("POST", _PREVIEW, ("schedule_details", "phases", "*"), "iterations", {"type": "integer"}),
    # In the SDK's types, and the only way localstripe knows.
    Added("POST", "/v1/subscriptions", ("items", "*"), "plan", {"type": "string"}),
)

#: Values that newer versions know: (method, path, parameter) → values. An endpoint is pinned to the SDK's own version.
ADDED_VALUES = {
    ("POST", "/v1/webhook_endpoints", "api_version"): ("2026-09-30.endive", "2026-10-28.endive"),
}


@dataclasses.dataclass(frozen=True)
class Removed:
    """A parameter that is refused from a version on; `into` leads to the objects that had it, as in `Added`."""

    prefix: str
    name: str
    since: str
    code: str
    into: tuple[str, ...] = ()


# https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents
_NO_LONGER = "payment_method_types_no_longer_supported"
REMOVED = (
    Removed("/v1/payment_intents", "payment_method_types", "2026-09-30", _NO_LONGER),
    Removed("/v1/setup_intents", "payment_method_types", "2026-09-30", _NO_LONGER),
    Removed("/v1/checkout/sessions", "payment_method_types", "2026-09-30", "parameter_unknown"),
    # https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-singular-coupon-promotion-code
    Removed(_SCHEDULES, "coupon", "2025-03-31", "parameter_unknown", ("phases", "*")),
    Removed(_PREVIEW, "coupon", "2025-03-31", "parameter_unknown", ("schedule_details", "phases", "*")),
    # https://docs.stripe.com/changelog/clover/2025-09-30/remove-iterations
    Removed(_SCHEDULES, "iterations", "2025-09-30", "parameter_unknown", ("phases", "*")),
    Removed(_PREVIEW, "iterations", "2025-09-30", "parameter_unknown", ("schedule_details", "phases", "*")),
)


def apply_additions(paths: dict[str, Any]) -> None:
    """Add the newer parameters to the description's paths, in place."""
    for added in ADDED:
        schema = paths[added.path][added.method]
        for step in added.into:
            schema = schema["items"] if step == "*" else schema["properties"][step]
        schema["properties"].setdefault(added.name, added.schema)
    for (method, path, name), values in ADDED_VALUES.items():
        known = paths[path][method]["properties"][name]["enum"]
        known += [value for value in values if value not in known]


def check_removals(path: str, params: dict[str, Any], stripe_version: str | None) -> None:
    """Refuse what the asked-for version does not know any more; without a version the newest counts."""
    version = (stripe_version or "9999")[:10]
    for removed in REMOVED:
        if path.startswith(removed.prefix) and version >= removed.since:
            for inside, found in _objects_at(params, removed.into, ""):
                if removed.name in found:
                    raise _refusal(removed, f"{inside}[{removed.name}]" if inside else removed.name)


def check_requirements(method: str, path: str, params: dict[str, Any], stripe_version: str | None) -> None:
    """Refuse what newer versions want more of than the description says."""
    recurring = params.get("recurring") if path == "/v1/prices" else params if path == "/v1/plans" else None
    metered = isinstance(recurring, dict) and recurring.get("usage_type") == "metered" and not recurring.get("meter")
    # https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-legacy-usage-based-billing
    if method == "POST" and metered and (stripe_version or "9999")[:10] >= "2025-03-31":
        raise invalid("Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by meters.")


def _objects_at(params: Any, into: tuple[str, ...], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of undecoded parameters that `into` leads to, with their names."""
    if not isinstance(params, dict):
        return
    if not into:
        yield name, params
        return
    for key in list(params) if into[0] == "*" else [into[0]]:
        yield from _objects_at(params.get(key), into[1:], f"{name}[{key}]" if name else key)


def _refusal(removed: Removed, name: str) -> ApiError:
    if removed.code == "parameter_unknown":
        return invalid(f"Received unknown parameter: {name}", name, removed.code)
    return invalid(f"The `{name}` parameter is no longer supported.", name, removed.code)
