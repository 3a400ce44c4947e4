"""Which payment variants an event that one account has signed stands for."""

from __future__ import annotations

from django_stripe_gateway.conf import split_variant
from django_stripe_gateway.gateways.stripe.accounts import (
    StripeAccount,
    is_stripe_variant,
    stripe_account,
    stripe_accounts,
)
from django_stripe_gateway.models.provider_accounts import current_account
from django_stripe_gateway.webhooks.events import Event

GONE = "its seller is not connected any more"


def may_speak_for(verified: str, variant: str) -> bool:
    """Return whether an event that was verified as ``verified`` may change payments of ``variant``.

    They are the same variant, or of one account, or share a secret, so that no signature distinguishes them. What is
    asked in the name of different accounts is of one only if the provider says so: an organisation's key stands for
    many, and its one endpoint brings the events of all of them. localstripe never speaks for Stripe. What happens on
    a seller's account concerns what was made there, and nothing else: sellers can write on theirs whatever they want.
    """
    if verified == variant:
        return True
    if not is_stripe_variant(verified) or not is_stripe_variant(variant):
        return False
    one, other = stripe_account(verified), stripe_account(variant)
    if one.connected_id:
        return (one.connected_id, one.livemode) == (other.connected_id, other.livemode)
    if other.connected_id:
        return _is_one_account(verified, variant)
    has_same_key = bool(one.api_key) and one.api_key == other.api_key
    shares_secret = not set(one.webhook_secrets).isdisjoint(other.webhook_secrets)
    if one.is_localstripe != other.is_localstripe:
        return False
    is_apart = one.context != other.context
    return (not is_apart and (has_same_key or shares_secret)) or _is_one_account(verified, variant)


def _is_one_account(verified: str, variant: str) -> bool:
    """Return whether two keys are known to be of one account, as a restricted key beside the secret one is."""
    one, other = current_account(verified), current_account(variant)
    if one is None or other is None or one.named_id or other.named_id or one.livemode != other.livemode:
        return False
    return bool(one.account_id) and one.account_id == other.account_id


def seller_of(event: Event) -> str:
    """Return the seller's account on which payments are taken and an event has happened; empty for the own ones."""
    return split_variant(event.variant)[1]


def is_gone(event: Event) -> bool:
    """Return whether an event is of a seller who is not connected any more: nothing is changed or asked for it."""
    return bool(seller_of(event)) and not is_stripe_variant(event.variant)


def event_variant(account: StripeAccount) -> str:
    """Return the first variant of the same account, so that an event that comes on several addresses is stored once."""
    key = (account.api_key, account.context, account.is_localstripe)
    same = (one.variant for one in stripe_accounts() if (one.api_key, one.context, one.is_localstripe) == key)
    return next(same, account.variant) if account.api_key else account.variant
