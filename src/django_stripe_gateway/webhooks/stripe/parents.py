"""Which object an event's own object belongs to, so that the event is found when that becomes known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.gateways.paypal.objects import parent_id
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_subscription_id
from django_stripe_gateway.gateways.stripe.fields import READING_ERRORS
from django_stripe_gateway.gateways.stripe.payment_objects import object_id
from django_stripe_gateway.webhooks.events import Event, clean_id


def related_id(event: Event) -> str:
    """Return the id that the event's object names as what it belongs to, empty if it names none.

    Of Stripe's sessions, charges, refunds and disputes that is the payment intent, of its invoices the subscription,
    and of its subscriptions the customer; of PayPal's captures and refunds the order, else what holds the money.
    """
    obj = event.object
    try:
        if event.provider != "paypal":
            return next(filter(None, (clean_id(object_id(parent)) for parent in _stripe_parents(obj))), "")
        return next(filter(None, map(clean_id, _parents(obj))), "")
    except (RecursionError, *READING_ERRORS):
        return ""


def _stripe_parents(obj: Mapping[str, Any]) -> list[Any]:
    if obj.get("object") == "invoice":
        # The older generation's invoice names its payment, too; its subscription is what it waits for.
        return [invoice_subscription_id(obj), obj.get("customer")]
    return [obj.get("payment_intent"), obj.get("customer") if obj.get("object") == "subscription" else None]


def _parents(obj: Mapping[str, Any]) -> list[Any]:
    collections = ("orders", "authorizations", "captures")
    return [*(parent_id(obj, name) for name in collections), obj.get("parent_payment"), obj.get("sale_id")]
