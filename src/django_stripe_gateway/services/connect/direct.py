"""Payments on sellers' own accounts (direct charges): which one is meant, and whether its seller has left.

https://docs.stripe.com/connect/direct-charges
"""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.conf import gateway_settings, seller_variant, split_variant
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    IdempotencyKeyReused,
    InvalidInput,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.models import AbstractPayment, ConnectedAccount
from django_stripe_gateway.models.provider_accounts import current_account
from django_stripe_gateway.services.accounts import learn_account
from django_stripe_gateway.services.connect.sync import sync_connected_account
from django_stripe_gateway.services.transactions import payments_database


def variant_for(variant: str, account: Any, earlier: AbstractPayment | None = None) -> str:
    """Return the variant by which a payment is taken, on a seller's account or the platform's own.

    Args:
        variant: of the platform, as a gateway names it.
        account: a ``ConnectedAccount``, whose state is read anew; ``None`` for the platform's own.
        earlier: what an earlier request under the same key has begun, which goes on whatever has become of the seller.

    Raises:
        IdempotencyKeyReused: that is on another account.
        UnsupportedByGateway: the variant takes no direct charges.
        InvalidInput: it is no seller's account, or one that is connected to another platform.
        WrongState: it cannot be paid: it has left the platform, or is not onboarded.
        GatewayError: nobody knows which account the platform is; see ``learn_account``.
    """
    if earlier is not None:
        if earlier.seller_account != ("" if account is None else getattr(account, "provider_id", None)):
            raise IdempotencyKeyReused("This key was used for a payment on another account.")
        return variant
    if account is None:
        return variant
    if not isinstance(account, ConnectedAccount):
        raise InvalidInput("The account is a ConnectedAccount.", field="account")
    if variant not in gateway_settings.variants.platforms():
        raise UnsupportedByGateway(
            f'The variant {variant!r} takes no payments on sellers\' accounts. Set its option "direct_charges": True.',
            field="account",
        )
    learn_account(variant)
    rows = ConnectedAccount.objects.using(payments_database())
    current = rows.filter(pk=account.pk).first()
    if current is None or not current.is_payable:
        raise WrongState(
            "This account takes no payments: its owner has not told the provider enough, or it has left the platform."
        )
    found = seller_variant(variant, current.provider_id or "")
    if not rows.of_platform(current_account(variant)).filter(pk=current.pk).exists():
        raise InvalidInput("This account is connected to another platform than the gateway's.", field="account")
    if found not in gateway_settings.variants:
        raise UnsupportedByGateway(f"{found!r} cannot be the name of a variant.", field="account")
    return found


def has_left(variant: str, error: Exception) -> bool:
    """Return whether a call about a seller's account failed because its seller is gone, which is noted then.

    The event that says so may have been lost: the provider is asked about the account itself.
    """
    platform, account_id = split_variant(variant)
    if not account_id or not isinstance(error, GatewayConfigurationError):
        return False
    rows = ConnectedAccount.objects.using(payments_database()).of_platform(current_account(platform))
    try:
        accounts = [sync_connected_account(account=account) for account in rows.filter(provider_id=account_id)]
    except GatewayError:
        return False
    return all(not account.is_connected for account in accounts)
