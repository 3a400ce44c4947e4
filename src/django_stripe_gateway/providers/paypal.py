"""PayPal, as django-payments knows it."""

from __future__ import annotations

from django_stripe_gateway.providers.base import GatewayProvider


class PayPalProvider(GatewayProvider):
    """PayPal through this app's services, on Orders v2 and Payments v2.

    Options, all of them optional, in ``PAYMENT_VARIANTS``: ``client_id``, ``client_secret``, ``webhook_id`` (one, a
    list, or separated by commas), ``sandbox``, ``api_base``, ``capture`` (``False`` authorises only). Whatever is left
    out comes from the ``STRIPE_GATEWAY_PAYPAL_*`` settings.
    """

    webhook_address = "Send PayPal's webhooks to the webhooks/paypal/ URL of this app instead."
