"""Which object an event's own object belongs to, so that the event is found when that becomes known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.gateways.paypal_objects import parent_id
from django_stripe_gateway.gateways.stripe_objects import object_id
from django_stripe_gateway.webhooks.events import Event, clean_id


def related_id(event: Event) -> str:
    """Return the id that the event's object names as what it belongs to, empty if it names none.

    Of Stripe's sessions, charges, refunds and disputes that is the payment intent; of PayPal's captures and refunds the
    order, else what holds the money.
    """
    obj = event.object
    try:
        if event.provider != "paypal":
            return clean_id(object_id(obj.get("payment_intent")))
        return next(filter(None, map(clean_id, _parents(obj))), "")
    except RecursionError:
        return ""


def _parents(obj: Mapping[str, Any]) -> list[Any]:
    collections = ("orders", "authorizations", "captures")
    return [*(parent_id(obj, name) for name in collections), obj.get("parent_payment"), obj.get("sale_id")]
