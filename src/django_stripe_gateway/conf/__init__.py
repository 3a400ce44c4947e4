"""The app's settings, each declared once: its default, how it is read, what it must be and what it is for.

From these declarations come django-appconf's defaults, the typed attributes of ``gateway_settings``, the checks E013,
E014 and W001, and the reference page. The package reads no environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appconf import AppConf

from django_stripe_gateway.conf.api import ApiSettings
from django_stripe_gateway.conf.billing import BillingSettings
from django_stripe_gateway.conf.django_payments import (
    PAYPAL_PROVIDER,
    STRIPE_PROVIDER,
    DjangoPaymentsSettings,
    PaymentsConf,
    unset_payment_host,
)
from django_stripe_gateway.conf.mails import MailSettings
from django_stripe_gateway.conf.payments import PaymentSettings
from django_stripe_gateway.conf.paypal import PayPalSettings
from django_stripe_gateway.conf.setting import PREFIX, Setting, made_of_settings
from django_stripe_gateway.conf.usage import UsageSettings
from django_stripe_gateway.conf.values import split_secrets
from django_stripe_gateway.conf.variants import is_seller_variant, seller_variant, split_variant
from django_stripe_gateway.conf.webhooks import WebhookSettings

LOCALSTRIPE_API_KEY = "sk_test_123"
TOPICS = (PaymentSettings, WebhookSettings, ApiSettings, BillingSettings, UsageSettings, MailSettings, PayPalSettings)


def settings_of(topic: type) -> Mapping[str, Setting[Any]]:
    """Return a topic's settings by their names without the prefix."""
    return {setting.name: setting for setting in vars(topic).values() if isinstance(setting, Setting)}


SETTINGS: Mapping[str, Setting[Any]] = {name: own for topic in TOPICS for name, own in settings_of(topic).items()}


class StripeGatewayConf(AppConf):
    """Defaults of every ``STRIPE_GATEWAY_*`` setting, given to Django's settings when this module is imported."""

    vars().update({name: setting.default for name, setting in SETTINGS.items()})

    class Meta:
        prefix = PREFIX.strip("_").lower()


class GatewaySettings(
    PaymentSettings,
    WebhookSettings,
    ApiSettings,
    BillingSettings,
    UsageSettings,
    MailSettings,
    PayPalSettings,
    DjangoPaymentsSettings,
):
    """Typed, read-at-use view of the settings, so that ``override_settings`` works everywhere."""


gateway_settings = GatewaySettings()

__all__ = [
    "LOCALSTRIPE_API_KEY",
    "PAYPAL_PROVIDER",
    "SETTINGS",
    "STRIPE_PROVIDER",
    "TOPICS",
    "GatewaySettings",
    "PaymentsConf",
    "StripeGatewayConf",
    "gateway_settings",
    "is_seller_variant",
    "made_of_settings",
    "seller_variant",
    "settings_of",
    "split_secrets",
    "split_variant",
    "unset_payment_host",
]
