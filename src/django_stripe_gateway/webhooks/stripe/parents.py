"""Which object one of Stripe's objects belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_stripe_gateway.gateways.stripe.billing_objects import invoice_subscription_id
from django_stripe_gateway.gateways.stripe.payment_objects import object_id


def parents_of(obj: Mapping[str, Any]) -> Iterable[Any]:
    """Yield what it belongs to.

    Of sessions, charges, refunds and disputes that is the payment intent, of an invoice the subscription, and of a
    subscription the customer.
    """
    kind = obj.get("object")
    if kind == "invoice":
        # The older generation's invoice names its payment, too; its subscription is what it waits for.
        yield object_id(invoice_subscription_id(obj))
        yield object_id(obj.get("customer"))
        return
    yield object_id(obj.get("payment_intent"))
    if kind == "subscription":
        yield object_id(obj.get("customer"))
