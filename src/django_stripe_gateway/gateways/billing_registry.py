"""Find the gateway that bills in an account."""

from __future__ import annotations

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.accounts import is_stripe_variant, stripe_account
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.stripe_billing import StripeBillingGateway


def get_billing_gateway(variant: str) -> BillingGateway:
    """Return the gateway that bills in the account of ``variant``.

    Raises:
        UnsupportedByGateway: subscriptions are sold through Stripe alone.
        GatewayConfigurationError: the settings name no such variant.
    """
    if not is_stripe_variant(variant):
        raise UnsupportedByGateway("Subscriptions are sold through Stripe.")
    return StripeBillingGateway(stripe_account(variant))
