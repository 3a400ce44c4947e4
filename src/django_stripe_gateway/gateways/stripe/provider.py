"""Stripe, and localstripe in its place: what is registered to make them known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_stripe_gateway.accounts import Account
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.exceptions import GatewayConfigurationError, UnsupportedByGateway
from django_stripe_gateway.gateways.account_reading import AccountReader
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.connecting import ConnectGateway
from django_stripe_gateway.gateways.metering import MeterGateway
from django_stripe_gateway.gateways.provider import Provider
from django_stripe_gateway.gateways.stripe.account_calls import retrieve_account_id
from django_stripe_gateway.gateways.stripe.account_reader import StripeAccountReader
from django_stripe_gateway.gateways.stripe.accounts import (
    BASE_GATEWAY,
    FLOW_CHECKOUT,
    FLOW_INTENT,
    made_of_account,
    stripe_account,
)
from django_stripe_gateway.gateways.stripe.billing import StripeBillingGateway
from django_stripe_gateway.gateways.stripe.checkout import StripeCheckoutGateway
from django_stripe_gateway.gateways.stripe.connecting import StripeConnect
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.stripe.localstripe.billing import LocalstripeBillingGateway
from django_stripe_gateway.gateways.stripe.meters import StripeMeters
from django_stripe_gateway.gateways.stripe.payments import StripeGateway

FLOWS = {FLOW_CHECKOUT: StripeCheckoutGateway, FLOW_INTENT: StripeIntentGateway}


class Stripe(Provider):
    """Payments by Checkout or PaymentIntents, subscriptions, Billing Meters."""

    name = "stripe"
    label = "Stripe"
    payments_provider = STRIPE_PROVIDER
    base_gateway = BASE_GATEWAY
    webhooks = "django_stripe_gateway.webhooks.stripe.provider.StripeWebhooks"
    checks = "django_stripe_gateway.gateways.stripe.checks.StripeChecks"
    supports_billing = True
    supports_meters = True

    @made_of_account
    def account(self, variant: str) -> Account:
        """Return the mode that the key's prefix tells, and what the settings say of the account."""
        account = stripe_account(variant)
        return Account(account.livemode, account.account_id, "" if account.is_localstripe else account.key_digest)

    def ask_account_id(self, variant: str) -> str:
        """Ask Stripe; a restricted key may not be allowed to."""
        return retrieve_account_id(stripe_account(variant))

    @made_of_account
    def payments(self, variant: str) -> Gateway:
        """Return the gateway of the variant's flow."""
        account = stripe_account(variant)
        if account.flow not in FLOWS:
            raise GatewayConfigurationError(
                f'The variant {variant!r} has the unknown flow {account.flow!r}. Use "checkout" or "intent".'
            )
        return FLOWS[account.flow](account)

    def make_gateway(self, gateway_class: Callable[[Any], Any], variant: str) -> Any:
        """Make a subclass of Stripe's gateways of the account, and anything else of the variant."""
        is_ours = isinstance(gateway_class, type) and issubclass(gateway_class, StripeGateway)
        return gateway_class(stripe_account(variant) if is_ours else variant)

    @made_of_account
    def billing(self, variant: str) -> BillingGateway:
        """Return Stripe's gateway, or localstripe's."""
        account = stripe_account(variant)
        return LocalstripeBillingGateway(account) if account.is_localstripe else StripeBillingGateway(account)

    @made_of_account
    def meters(self, variant: str) -> MeterGateway:
        """Return the Billing Meters of the account."""
        return StripeMeters(stripe_account(variant))

    @made_of_account
    def connect(self, variant: str) -> ConnectGateway:
        """Return the accounts that are connected to a platform; localstripe knows no such."""
        account = stripe_account(variant)
        if account.is_localstripe:
            raise UnsupportedByGateway(f"The variant {variant!r} is on localstripe, which connects no accounts.")
        return StripeConnect(account)

    @made_of_account
    def account_reader(self, variant: str) -> AccountReader:
        """Return the lists of the account; localstripe holds nothing that somebody would bring."""
        account = stripe_account(variant)
        if account.is_localstripe:
            raise UnsupportedByGateway(f"The variant {variant!r} is on localstripe, which holds nothing to import.")
        return StripeAccountReader(account)
