"""This app's handlers; importing them registers them."""

from django_stripe_gateway.webhooks.handlers import (
    catalogue,
    charges,
    checkout,
    customers,
    disputes,
    invoices,
    payment_intents,
    paypal,
    refunds,
    subscription_checkout,
    subscriptions,
)

__all__ = [
    "catalogue",
    "charges",
    "checkout",
    "customers",
    "disputes",
    "invoices",
    "payment_intents",
    "paypal",
    "refunds",
    "subscription_checkout",
    "subscriptions",
]
