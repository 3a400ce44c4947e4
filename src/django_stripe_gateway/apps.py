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
        """Register the system checks, the webhook handlers and what handles events that came too early."""
        from django_stripe_gateway import checks  # noqa: F401, PLC0415
        from django_stripe_gateway.services.billing import arriving, following  # noqa: F401, PLC0415
        from django_stripe_gateway.webhooks import arrivals, handlers  # noqa: F401, PLC0415

        following.follow_owners()
