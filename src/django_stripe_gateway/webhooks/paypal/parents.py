"""Which object one of PayPal's objects belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_stripe_gateway.gateways.paypal.objects import parent_id

COLLECTIONS = ("orders", "authorizations", "captures")


def parents_of(obj: Mapping[str, Any]) -> Iterable[Any]:
    """Yield what a capture or a refund belongs to: the order, else what holds the money."""
    for collection in COLLECTIONS:
        yield parent_id(obj, collection)
    yield obj.get("parent_payment")
    yield obj.get("sale_id")
