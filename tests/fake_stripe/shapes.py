"""Render stored objects in the shape of an API generation.

The store holds the current shape; keys that begin with an underscore are the fake's own and are never shown. Every
difference between the generations stands here: add a function to `Generation.renderers` for a type whose shape moved
(a subscription's period, an invoice's payment intent).
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.fake_stripe import billing_shapes
from tests.fake_stripe.errors import invalid
from tests.fake_stripe.state import Object, Scope, listed

__all__ = ["GENERATIONS", "as_body", "generation_of_version", "listed", "public", "render"]

Renderer = Callable[[Object, Scope], Object]


def _charge_with_invoice(obj: Object, scope: Scope) -> Object:
    """Name the invoice that a charge pays, as before 2025-03-31."""
    intent = scope.find("payment_intent", obj["payment_intent"])
    return {**obj, "invoice": intent.get("_invoice") if intent else None}


def _charge_with_refunds(obj: Object, scope: Scope) -> Object:
    """Embed the refunds, as before 2022-11-15."""
    refunds = [render(refund, scope, "legacy") for refund in scope.related("refund", charge=obj["id"])]
    return {**_charge_with_invoice(obj, scope), "refunds": listed(refunds, f"/v1/charges/{obj['id']}/refunds")}


def _intent_with_charges(obj: Object, scope: Scope) -> Object:
    """Embed the charges, as before 2022-11-15; `latest_charge` did not exist yet."""
    charges = [render(charge, scope, "legacy") for charge in scope.related("charge", payment_intent=obj["id"])]
    rest = {name: value for name, value in _intent_with_invoice(obj, scope).items() if name != "latest_charge"}
    return {**rest, "charges": listed(charges, f"/v1/charges?payment_intent={obj['id']}")}


def _intent_with_invoice(obj: Object, scope: Scope) -> Object:
    """Name the invoice that an intent pays, as before 2025-03-31."""
    return {**obj, "invoice": obj.get("_invoice")}


def _intent_with_reference(obj: Object, scope: Scope) -> Object:
    """Give the invoice that an intent pays as the reference of the order, since 2025-03-31."""
    if not obj.get("_invoice"):
        return obj
    return {**obj, "payment_details": {"customer_reference": None, "order_reference": obj["_invoice"]}}


@dataclasses.dataclass(frozen=True)
class Generation:
    """One generation of shapes: its API version, and a renderer by object type where it differs from the current."""

    api_version: str
    renderers: Mapping[str, Renderer] = dataclasses.field(default_factory=dict)


GENERATIONS: dict[str, Generation] = {
    "current": Generation(
        "2026-10-28.endive", {**billing_shapes.CURRENT_RENDERERS, "payment_intent": _intent_with_reference}
    ),
    # Payments as they are now, billing as it was until 2025: what many webhook endpoints still get.
    "acacia": Generation(
        "2025-02-24.acacia",
        {**billing_shapes.RENDERERS, "charge": _charge_with_invoice, "payment_intent": _intent_with_invoice},
    ),
    "legacy": Generation(
        "2017-08-15",
        {**billing_shapes.RENDERERS, "charge": _charge_with_refunds, "payment_intent": _intent_with_charges},
    ),
}

_DEEPEST = 4
#: What may be expanded, and is not there until it has come to be.
_LEFT_OUT = {("refund", "failure_balance_transaction")}
#: The versions that took the embedded lists away, and that moved periods and payments.
_LISTS_REMOVED, _BILLING_MOVED = "2022-11-15", "2025-03-31"


def generation_of_version(stripe_version: str | None, default: str) -> str:
    """Return the generation that a `Stripe-Version` header asks for; without one the account's default counts."""
    if not stripe_version:
        return default
    if stripe_version < _LISTS_REMOVED:
        return "legacy"
    return "acacia" if stripe_version < _BILLING_MOVED else "current"


def public(obj: Object) -> Object:
    """Return a deep copy without the fake's own keys, nor those of the objects inside."""
    return {name: _public(value) for name, value in obj.items() if not name.startswith("_")}


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return public(value) if "object" in value else {name: _public(inner) for name, inner in value.items()}
    return [_public(inner) for inner in value] if isinstance(value, list) else copy.deepcopy(value)


def render(obj: Object, scope: Scope, generation: str, expand: list[str] | None = None) -> Object:
    """Return `obj` as the API of a generation shows it; `expand` holds paths such as `latest_charge.refunds`."""
    for path in expand or []:
        if path.count(".") >= _DEEPEST:
            raise invalid(f"You cannot expand more than {_DEEPEST} levels of a property. Property: {path}", "expand")
    if obj.get("object") == "list":
        return _render_list(obj, scope, generation, expand or [])
    renderer = GENERATIONS[generation].renderers.get(obj["object"])
    shown = public(renderer(obj, scope) if renderer else obj)
    for path in expand or []:
        first, _, rest = path.partition(".")
        if (obj["object"], first) in _LEFT_OUT and first not in shown:
            continue
        shown[first] = _expanded(obj, shown, first, rest, scope, generation)
    return shown


def _render_list(obj: Object, scope: Scope, generation: str, expand: list[str]) -> Object:
    inner = []
    for path in expand:
        first, _, rest = path.partition(".")
        if first != "data" or not rest:
            raise _not_expandable(path)
        inner.append(rest)
    return {**obj, "data": [render(item, scope, generation, inner) for item in obj["data"]]}


def _expanded(obj: Object, shown: Object, name: str, rest: str, scope: Scope, generation: str) -> object:
    inner = [rest] if rest else []
    included = _included_list(obj, name, scope)
    if generation == "current" and obj["object"] == "invoice" and name == "payments":
        included = billing_shapes.payments(obj, scope)
    if included is not None:
        earlier = shown.get(name)
        rendered = render(included, scope, generation, inner)
        return {**earlier, **rendered} if isinstance(earlier, dict) else rendered
    if generation == "current" and obj["object"] == "invoice" and name == "confirmation_secret":
        return billing_shapes.confirmation_secret(obj, scope)
    if obj["object"] == "price" and name == "tiers":
        return obj["_tiers"]
    value = shown.get(name)
    if isinstance(value, dict) and "object" not in value:
        if rest:
            first, _, deeper = rest.partition(".")
            return {**value, first: _expanded({"object": ""}, value, first, deeper, scope, generation)}
        return value
    if isinstance(value, dict) and value["object"] == "list":
        return render(value, scope, generation, inner)
    if isinstance(value, dict):  # expanded by an earlier path already, or always a full object
        for kind in scope.objects.values():
            if value.get("id") in kind:
                return {**value, **render(kind[value["id"]], scope, generation, inner)}
        return value
    if isinstance(value, str):
        return _expanded_id(value, scope, generation, inner)
    if isinstance(value, list):
        return [_expanded_item(item, rest, scope, generation) for item in value]
    if name not in shown:
        raise _not_expandable(name)
    return None


def _expanded_item(item: Any, rest: str, scope: Scope, generation: str) -> object:
    """Return an id's object, or a part of an object with what is expanded inside of it (`phases.items.price`)."""
    if isinstance(item, str):
        return _expanded_id(item, scope, generation, [rest] if rest else [])
    first, _, deeper = rest.partition(".")
    return {**item, first: _expanded({"object": ""}, item, first, deeper, scope, generation)} if first else item


def _expanded_id(identifier: str, scope: Scope, generation: str, inner: list[str]) -> object:
    for kind in scope.objects.values():
        if identifier in kind:
            return render(kind[identifier], scope, generation, inner)
    return identifier


def _included_list(obj: Object, name: str, scope: Scope) -> Object | None:
    """Return a list that the API leaves out unless it is asked for."""
    if obj["object"] == "checkout.session" and name == "line_items":
        return listed(obj["_line_items"], f"/v1/checkout/sessions/{obj['id']}/line_items")
    if obj["object"] == "charge" and name == "refunds":
        return listed(scope.related("refund", charge=obj["id"]), f"/v1/charges/{obj['id']}/refunds")
    return None


def _not_expandable(path: str) -> Exception:
    return invalid(f"This property cannot be expanded ({path}).", "expand")


def as_body(obj: Object) -> bytes:
    """Return the bytes that Stripe sends for an object or event: JSON with an indent of two."""
    return json.dumps(obj, indent=2, ensure_ascii=False).encode()
