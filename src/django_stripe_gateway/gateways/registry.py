"""Find the gateway of a payment variant."""

from __future__ import annotations

from django.utils.module_loading import import_string

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, UnsupportedByGateway
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.localstripe.billing import LocalstripeBillingGateway
from django_stripe_gateway.gateways.paypal.accounts import is_paypal_variant, paypal_account
from django_stripe_gateway.gateways.paypal.payments import PayPalGateway
from django_stripe_gateway.gateways.stripe.accounts import FLOW_CHECKOUT, FLOW_INTENT, is_stripe_variant, stripe_account
from django_stripe_gateway.gateways.stripe.billing import StripeBillingGateway
from django_stripe_gateway.gateways.stripe.checkout import StripeCheckoutGateway
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway

STRIPE_FLOWS = {FLOW_CHECKOUT: StripeCheckoutGateway, FLOW_INTENT: StripeIntentGateway}


def get_gateway(variant: str) -> Gateway:
    """Return the gateway behind ``variant``.

    A variant's option ``gateway`` may name a class of the host's, as a dotted path; it is called with the variant.

    Raises:
        GatewayConfigurationError: the settings name no such variant, or one that this app cannot call.
    """
    if variant not in gateway_settings.variants:
        raise GatewayConfigurationError(f"PAYMENT_VARIANTS has no entry {variant!r}. Add it, or correct the gateway.")
    if is_stripe_variant(variant):
        account = stripe_account(variant)
        if account.flow not in STRIPE_FLOWS:
            raise GatewayConfigurationError(
                f'The variant {variant!r} has the unknown flow {account.flow!r}. Use "checkout" or "intent".'
            )
        return STRIPE_FLOWS[account.flow](account)
    if is_paypal_variant(variant):
        return PayPalGateway(paypal_account(variant))
    path = (gateway_settings.variants[variant][1] or {}).get("gateway")
    if not path:
        raise GatewayConfigurationError(
            f"The variant {variant!r} belongs to another provider. Its payments are made with payment.get_form()."
        )
    try:
        gateway_class = import_string(path)
    except ImportError as error:
        raise GatewayConfigurationError(
            f"The variant {variant!r} names the gateway {path!r}, which cannot be imported: {error}."
        ) from error
    gateway = gateway_class(variant)
    if not isinstance(gateway, Gateway):
        raise GatewayConfigurationError(
            f"The variant {variant!r} names the gateway {path!r}, which is no subclass of {Gateway.__qualname__}."
        )
    return gateway


def get_billing_gateway(variant: str) -> BillingGateway:
    """Return the gateway that bills customers of the account behind ``variant``: Stripe, or localstripe.

    Raises:
        GatewayConfigurationError: the settings name no such variant.
        UnsupportedByGateway: the variant is another provider's.
    """
    if variant in gateway_settings.variants and not is_stripe_variant(variant):
        raise UnsupportedByGateway("Subscriptions are billed through Stripe only.")
    account = stripe_account(variant)
    return LocalstripeBillingGateway(account) if account.is_localstripe else StripeBillingGateway(account)


def is_supported_variant(variant: str) -> bool:
    """Return whether ``get_gateway`` would find a gateway for ``variant``."""
    options = gateway_settings.variants.get(variant, ("", {}))[1] or {}
    return is_stripe_variant(variant) or is_paypal_variant(variant) or bool(options.get("gateway"))
