"""The handlers of Stripe's events; importing them registers them."""

from django_stripe_gateway.webhooks.stripe.handlers import (
    catalogue,
    charges,
    checkout,
    connected,
    credit_notes,
    customers,
    disputes,
    invoice_payments,
    invoices,
    payment_intents,
    refunds,
    schedules,
    subscriptions,
    upcoming,
)

__all__ = [
    "catalogue",
    "charges",
    "checkout",
    "connected",
    "credit_notes",
    "customers",
    "disputes",
    "invoice_payments",
    "invoices",
    "payment_intents",
    "refunds",
    "schedules",
    "subscriptions",
    "upcoming",
]
