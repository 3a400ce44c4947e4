"""Decide whether a delivery is genuine: fail closed, with the reason in the log and not in the answer."""

from __future__ import annotations

import logging

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.gateways.stripe.accounts import (
    StripeAccount,
    is_stripe_variant,
    stripe_account,
    stripe_accounts,
)
from django_stripe_gateway.gateways.stripe.signatures import signing_account

logger = logging.getLogger(__name__)


def verify_stripe_delivery(text: str, signature: str, variant: str = "") -> str:
    """Return the variant as which a delivery is genuine.

    Args:
        signature: the ``Stripe-Signature`` header, empty if there was none.
        variant: the only account that may have signed it; by default any Stripe account of the settings.

    Raises:
        WebhookRejected: forged, stale, or unsigned where a signature is needed.
        GatewayConfigurationError: there is no such variant.
    """
    accounts = [stripe_account(variant)] if variant else list(stripe_accounts())
    signed = [account for account in accounts if account.webhook_secrets]
    # Hexadecimal digits; the comparison in constant time takes nothing else than ASCII.
    if signature.isascii() and signature and signed:
        account = signing_account(text, signature, signed, gateway_settings.webhook_tolerance)
        if account is not None:
            return event_variant(account)
    unsigned = next((account for account in accounts if account.accepts_unsigned_webhooks), None)
    if unsigned is not None:
        # Development on localstripe without a secret.
        return event_variant(unsigned)
    if not signed:
        logger.error("A webhook was refused: no signing secret is configured. Set STRIPE_GATEWAY_WEBHOOK_SECRET.")
    elif not signature:
        logger.warning("A webhook was refused: it has no Stripe-Signature header.")
    else:
        logger.warning("A webhook was refused: no configured secret signed it, or its timestamp is too old.")
    raise WebhookRejected("The signature is missing or wrong.", code="bad_signature")


def may_speak_for(verified: str, variant: str) -> bool:
    """Return whether an event that was verified as ``verified`` may change payments of ``variant``.

    They are the same variant, or have the same key, or share a secret: a signature cannot tell those apart. localstripe
    never speaks for Stripe.
    """
    if verified == variant:
        return True
    if not is_stripe_variant(verified) or not is_stripe_variant(variant):
        return False
    one, other = stripe_account(verified), stripe_account(variant)
    has_same_key = bool(one.api_key) and one.api_key == other.api_key
    shares_secret = not set(one.webhook_secrets).isdisjoint(other.webhook_secrets)
    return one.is_localstripe == other.is_localstripe and (has_same_key or shares_secret)


def event_variant(account: StripeAccount) -> str:
    """Return the first variant of the same account, so that an event that comes on several addresses is stored once."""
    key = (account.api_key, account.is_localstripe)
    same = (one.variant for one in stripe_accounts() if (one.api_key, one.is_localstripe) == key)
    return next(same, account.variant) if account.api_key else account.variant
