"""Where the API differs from the description beside this file, which is of one version (2026-08-26.dahlia).

The SDK decides which version is asked for (stripe 16.1: 2026-10-28.endive). Add a line when a newer SDK brings one.
"""

from __future__ import annotations

import dataclasses
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

ADDED = (
    # https://docs.stripe.com/changelog/endive/2026-09-30/remove-payment-method-types-checkout-sessions
    Added("POST", "/v1/checkout/sessions", (), "allowed_payment_method_types", _STRINGS),
    # In the SDK's types, and the only way localstripe knows.
    Added("POST", "/v1/subscriptions", ("items", "*"), "plan", {"type": "string"}),
)

#: Values that newer versions know: (method, path, parameter) → values. An endpoint is pinned to the SDK's own version.
ADDED_VALUES = {
    ("POST", "/v1/webhook_endpoints", "api_version"): ("2026-09-30.endive", "2026-10-28.endive"),
}


@dataclasses.dataclass(frozen=True)
class Removed:
    """A parameter that is refused from a version on."""

    prefix: str
    name: str
    since: str
    code: str


# https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents
_NO_LONGER = "payment_method_types_no_longer_supported"
REMOVED = (
    Removed("/v1/payment_intents", "payment_method_types", "2026-09-30", _NO_LONGER),
    Removed("/v1/setup_intents", "payment_method_types", "2026-09-30", _NO_LONGER),
    Removed("/v1/checkout/sessions", "payment_method_types", "2026-09-30", "parameter_unknown"),
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
        if path.startswith(removed.prefix) and removed.name in params and version >= removed.since:
            raise _refusal(removed)


def _refusal(removed: Removed) -> ApiError:
    if removed.code == "parameter_unknown":
        return invalid(f"Received unknown parameter: {removed.name}", removed.name, removed.code)
    return invalid(f"The `{removed.name}` parameter is no longer supported.", removed.name, removed.code)
