"""Stripe, as django-payments knows it."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.money import to_minor_units
from django_stripe_gateway.providers.base import GatewayProvider


class StripeProvider(GatewayProvider):
    """Stripe through this app's services, on every SDK from 13 to 16.

    Options, all of them optional, in ``PAYMENT_VARIANTS``: ``api_key``, ``endpoint_secret`` (one, a list, or separated
    by commas), ``api_base``, ``api_version``, ``flow`` ("checkout" or "intent"), ``capture`` (``False`` authorises
    only), ``use_localstripe``, ``direct_charges`` (payments may be taken on the accounts of connected sellers).
    Whatever is left out comes from the ``STRIPE_GATEWAY_*`` settings.
    """

    webhook_address = "Send Stripe's webhooks to the webhooks/stripe/ URL of this app instead."

    def convert_amount(self, currency: str, amount: Decimal) -> int:
        """Return the integer that Stripe expects; django-payments' own Stripe provider has this method."""
        return to_minor_units(amount, currency)
