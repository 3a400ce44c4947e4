"""The app of the distribution: installing it is all that a host does."""

from __future__ import annotations

from django.apps import AppConfig

from django_stripe_gateway.gateways import register_provider


class AcmePayConfig(AppConfig):
    """Acme Pay."""

    name = "acme_pay"
    verbose_name = "Acme Pay"

    def ready(self) -> None:
        """Make Acme Pay known."""
        from acme_pay.provider import AcmePay

        register_provider(AcmePay())
