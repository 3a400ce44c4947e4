"""Parameters of Stripe's that a host adds: checked before they are stored, merged with ours when they are sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from django_stripe_gateway.adapter import CallKind, wrong_answer
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.further_params import TakesFurtherParams
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls
from django_stripe_gateway.gateways.stripe.owned_params import DIFFERS, NOUNS, metadata_paths, owned

# Every parameter of Stripe's is spelt so. A dot or a bracket would be another way to write a nested one.
PARAMETER = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
# https://docs.stripe.com/api/metadata
MAX_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500
#: Values of ``ui_mode`` whose page stands inside the host's own, by the names of every version of the API.
WITHIN_OURS = frozenset({"embedded", "embedded_page", "custom", "elements"})
UI_MODES = WITHIN_OURS | {"hosted", "hosted_page"}


class StripeFurtherParams(StripeAccountCalls, TakesFurtherParams):
    """Part of Stripe's gateways: calls that a host adds parameters to."""

    supports_further_params = True

    def check_further_params(self, kind: CallKind, params: Mapping[str, Any], *, own_metadata: Collection[str]) -> None:
        """Refuse what is this app's alone, and what would not be one parameter of Stripe's."""
        _check_names(kind, params, "")
        for path, reason in owned(kind, params):
            raise _refused(kind, path, reason)
        for path in metadata_paths(kind):
            _check_metadata(kind, path, _at(kind, params, path), own_metadata)
        mode = params.get("ui_mode")
        if mode is not None and mode not in UI_MODES:
            raise _refused(kind, "ui_mode", f"it is one of {', '.join(sorted(UI_MODES))}")

    def lets_amount_differ(self, params: Mapping[str, Any]) -> bool:
        """Return whether a page adds taxes and delivery, or takes off discounts."""
        return any(params.get(name) for name in DIFFERS)

    def _with_further(self, params: dict[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a call with those of the host; localstripe, which refuses what it does not know,
        gets ours alone.
        """
        return params if self.account.is_localstripe else merged(params, further)

    def _page_with_further(self, params: dict[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a Checkout Session with those of the host.

        One that stands inside the host's own page has one address to return to, unless its customer never leaves.
        https://docs.stripe.com/api/checkout/sessions/create
        """
        sent = self._with_further(params, further)
        if sent.get("ui_mode") in WITHIN_OURS:
            returns_to = sent.pop("success_url")
            sent.pop("cancel_url", None)
            if sent.get("redirect_on_completion") != "never":
                sent["return_url"] = returns_to
        return sent


def merged(ours: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``ours`` with what a host adds, dictionary by dictionary; elsewhere the host's value counts.

    What is ours alone was refused before.
    """
    found = dict(ours)
    for name, value in further.items():
        known = found.get(name)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        found[name] = merged(known, value) if both else value  # type: ignore[arg-type]
    return found


def _check_names(kind: CallKind, params: Mapping[str, Any], above: str) -> None:
    for name, value in params.items():
        path = f"{above}.{name}" if above else name
        if not PARAMETER.fullmatch(name):
            reason = "no parameter is spelt so: small letters, nested ones in dictionaries of their own"
            raise _refused(kind, path, reason)
        if name == "metadata":
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                _check_names(kind, part, path)


def _check_metadata(kind: CallKind, path: str, added: Mapping[str, Any], own: Collection[str]) -> None:
    for name, value in added.items():
        if name in own:
            raise _refused(kind, f"{path}.{name}", "the key is ours: it finds what was made again. Use another one")
        if not name or len(name) > MAX_KEY or set("[]") & set(name):
            raise _refused(kind, f"{path}.{name}", f"a key has at most {MAX_KEY} characters, and no brackets")
        if not isinstance(value, str) or len(value) > MAX_VALUE:
            raise _refused(kind, f"{path}.{name}", f"a value is a text of at most {MAX_VALUE} characters")
    if len(added) + len(own) > MAX_KEYS:
        left = MAX_KEYS - len(own)
        raise _refused(kind, path, f"Stripe keeps {MAX_KEYS} keys, of which {left} are yours")


def _at(kind: CallKind, params: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return a dictionary within the parameters, refusing whatever would take its place."""
    found = params
    for name in path.split("."):
        inner = found.get(name, {})
        if not isinstance(inner, Mapping):
            raise _refused(kind, path, f"{name} must be a dictionary, because ours is merged with it")
        found = inner
    return found


def _refused(kind: CallKind, path: str, reason: str) -> GatewayConfigurationError:
    return wrong_answer("further_params", f"names {path} for {NOUNS[kind]}, which it must not: {reason}")
