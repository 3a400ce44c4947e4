"""Where Stripe's API has which kind of object, and of which kind an event's object is."""

from __future__ import annotations

# Of the objects that this app's handlers read; of others an event's own path is taken.
PATHS = {
    "charge": "/v1/charges",
    "checkout.session": "/v1/checkout/sessions",
    "customer": "/v1/customers",
    "dispute": "/v1/disputes",
    "invoice": "/v1/invoices",
    "invoice_payment": "/v1/invoice_payments",
    "payment_intent": "/v1/payment_intents",
    "payment_method": "/v1/payment_methods",
    "plan": "/v1/plans",
    "price": "/v1/prices",
    "product": "/v1/products",
    "refund": "/v1/refunds",
    "setup_intent": "/v1/setup_intents",
    "subscription": "/v1/subscriptions",
    "subscription_schedule": "/v1/subscription_schedules",
}
# The types of events whose beginning is not the kind of their object.
KINDS = {
    "charge.dispute": "dispute",
    "charge.refund": "refund",
    "customer.subscription": "subscription",
}


def kind_of(event_type: str) -> str:
    """Return the kind of object that events of a type are about; empty where this app knows none such.

    Args:
        event_type: as snapshot events have it, "charge.dispute.created".
    """
    prefix = event_type.rpartition(".")[0]
    kind = KINDS.get(prefix, prefix)
    return kind if kind in PATHS else ""
