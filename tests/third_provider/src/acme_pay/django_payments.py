"""What django-payments calls a provider: ``PAYMENT_VARIANTS`` names it for each account at Acme Pay."""

from __future__ import annotations

from django_stripe_gateway.providers import StripeProvider


class AcmeProvider(StripeProvider):
    """``payment.get_form()`` and its kin end in the services, which find Acme Pay's gateway."""
