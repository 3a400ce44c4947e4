"""Where PayPal delivers its events."""

from __future__ import annotations

from django.http import HttpRequest

from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.paypal.verification import verify_paypal_delivery
from django_stripe_gateway.webhooks.views import StripeWebhookView


class PayPalWebhookView(StripeWebhookView):
    """``POST webhooks/paypal/``: the same answers as for Stripe's events."""

    provider_name = "PayPal"

    def verify(self, request: HttpRequest, body: bytes, variant: str) -> tuple[Event, str]:
        """Return the event of a genuine delivery and its body as text; see ``verify_paypal_delivery``."""
        return verify_paypal_delivery(body, request.headers, variant)
