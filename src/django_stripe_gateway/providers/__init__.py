"""What django-payments calls providers: the classes that ``PAYMENT_VARIANTS`` names."""

from django_stripe_gateway.providers.base import GatewayProvider
from django_stripe_gateway.providers.paypal import PayPalProvider
from django_stripe_gateway.providers.stripe import StripeProvider

__all__ = ["GatewayProvider", "PayPalProvider", "StripeProvider"]
