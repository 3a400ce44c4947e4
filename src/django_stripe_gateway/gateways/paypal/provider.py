"""PayPal: what is registered to make it known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_stripe_gateway.accounts import Account
from django_stripe_gateway.conf import PAYPAL_PROVIDER
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.paypal.accounts import BASE_GATEWAY, made_of_account, paypal_account
from django_stripe_gateway.gateways.paypal.payments import PayPalGateway
from django_stripe_gateway.gateways.provider import Provider


class PayPal(Provider):
    """Payments by Orders v2 and Payments v2."""

    name = "paypal"
    label = "PayPal"
    payments_provider = PAYPAL_PROVIDER
    base_gateway = BASE_GATEWAY
    webhooks = "django_stripe_gateway.webhooks.paypal.provider.PayPalWebhooks"
    checks = "django_stripe_gateway.gateways.paypal.checks.PayPalChecks"

    @made_of_account
    def account(self, variant: str) -> Account:
        """Return the mode of the variant's account."""
        return Account(paypal_account(variant).livemode)

    @made_of_account
    def payments(self, variant: str) -> Gateway:
        """Return the gateway of the variant's account."""
        return PayPalGateway(paypal_account(variant))

    def make_gateway(self, gateway_class: Callable[[Any], Any], variant: str) -> Any:
        """Make a subclass of PayPal's gateway of the account, and anything else of the variant."""
        is_ours = isinstance(gateway_class, type) and issubclass(gateway_class, PayPalGateway)
        return gateway_class(paypal_account(variant) if is_ours else variant)
