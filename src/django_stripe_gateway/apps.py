"""The app's configuration."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

# Imported for its effect, before any model is: it gives the settings their defaults.
from django_stripe_gateway import conf  # noqa: F401


class StripeGatewayConfig(AppConfig):
    """Payments through Stripe."""

    name = "django_stripe_gateway"
    verbose_name = _("Payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the providers, the checks, what writes e-mails and what handles events that came too early."""
        from django_stripe_gateway import checks  # noqa: F401, PLC0415
        from django_stripe_gateway.gateways.paypal.provider import PayPal  # noqa: PLC0415
        from django_stripe_gateway.gateways.registry import register_provider  # noqa: PLC0415
        from django_stripe_gateway.gateways.stripe.provider import Stripe  # noqa: PLC0415
        from django_stripe_gateway.models.storable import follow_saves  # noqa: PLC0415
        from django_stripe_gateway.services import verbs  # noqa: F401, PLC0415
        from django_stripe_gateway.services.leaving.owners import guard_owners  # noqa: PLC0415
        from django_stripe_gateway.services.mails import writers  # noqa: F401, PLC0415
        from django_stripe_gateway.services.subscriptions.owner_changes import follow_owners  # noqa: PLC0415
        from django_stripe_gateway.webhooks.inbox import process  # noqa: F401, PLC0415

        register_provider(Stripe())
        register_provider(PayPal())
        follow_saves()
        follow_owners()
        guard_owners()
