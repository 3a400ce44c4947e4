"""This app's handlers; importing them registers them."""

from django_stripe_gateway.webhooks.handlers import charges, checkout, disputes, payment_intents, paypal, refunds

__all__ = ["charges", "checkout", "disputes", "payment_intents", "paypal", "refunds"]
