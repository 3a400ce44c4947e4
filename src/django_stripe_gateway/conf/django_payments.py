"""django-payments' own settings.

``PAYMENT_MODEL``, ``PAYMENT_HOST`` and ``PAYMENT_VARIANTS`` get working defaults here because importing
``payments.models`` without them raises before any system check can say what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from appconf import AppConf
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_stripe_gateway.conf.setting import made_of_settings
from django_stripe_gateway.conf.variants import Variants

STRIPE_PROVIDER = "django_stripe_gateway.providers.StripeProvider"
PAYPAL_PROVIDER = "django_stripe_gateway.providers.PayPalProvider"


def unset_payment_host() -> NoReturn:
    """Stand in for ``PAYMENT_HOST`` until the host project sets it."""
    raise ImproperlyConfigured(
        'PAYMENT_HOST is not set. Add PAYMENT_HOST = "shop.example.com" to your settings, so that the URLs '
        "Stripe sends customers back to can be built outside of a request."
    )


class PaymentsConf(AppConf):
    """Defaults of the django-payments settings that a host project can leave out."""

    MODEL = "django_stripe_gateway.Payment"
    VARIANTS: Mapping[str, tuple[str, dict[str, Any]]] = {"stripe": (STRIPE_PROVIDER, {})}

    class Meta:
        prefix = "payment"


def default_payment_host() -> None:
    """Give ``PAYMENT_HOST`` a value when django-payments would refuse to be imported without one."""
    if not getattr(settings, "PAYMENT_HOST", None) and "django.contrib.sites" not in settings.INSTALLED_APPS:
        settings.PAYMENT_HOST = unset_payment_host


default_payment_host()


class DjangoPaymentsSettings:
    """What django-payments' settings say."""

    @property
    def variants(self) -> Variants:
        """django-payments' ``PAYMENT_VARIANTS``; see ``Variants`` for those of sellers."""
        written = getattr(settings, "PAYMENT_VARIANTS", None)
        # The checks say what is wrong with anything else.
        return Variants(written if isinstance(written, Mapping) else {})

    @property
    def payment_host(self) -> str:
        """Host name for absolute URLs from ``PAYMENT_HOST``, empty when it is not set."""
        host = getattr(settings, "PAYMENT_HOST", None)
        if not host or host is unset_payment_host:
            return ""
        return str(host() if callable(host) else host)

    @property
    @made_of_settings("PAYMENT_USES_SSL", "DEBUG")
    def payment_uses_ssl(self) -> bool:
        """Whether absolute URLs are https (``PAYMENT_USES_SSL``, by default when DEBUG is off)."""
        return bool(getattr(settings, "PAYMENT_USES_SSL", not settings.DEBUG))
