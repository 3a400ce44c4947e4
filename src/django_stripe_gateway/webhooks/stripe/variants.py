"""Which payment variants an event that one account has signed stands for."""

from __future__ import annotations

from django_stripe_gateway.gateways.stripe.accounts import (
    StripeAccount,
    is_stripe_variant,
    stripe_account,
    stripe_accounts,
)


def may_speak_for(verified: str, variant: str) -> bool:
    """Return whether an event that was verified as ``verified`` may change payments of ``variant``.

    They are the same variant, or have the same key, or share a secret, so that no signature distinguishes them.
    localstripe never speaks for Stripe.
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
