"""Ask Stripe which account a key belongs to."""

from __future__ import annotations

from django_stripe_gateway.exceptions import GatewayConfigurationError, UnsupportedByGateway
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.calls import ask, pool
from django_stripe_gateway.gateways.stripe.fields import Object, object_id


def retrieve_account_id(account: StripeAccount) -> str:
    """Return the id of an account (``acct_…``).

    Raises:
        UnsupportedByGateway: the key is not allowed to ask.
        GatewayError: Stripe refused or failed.
    """
    try:
        return ask(lambda: pool.get(account).v1.accounts.retrieve_current(), _read)
    except GatewayConfigurationError as error:
        if not error.lacks_permission:
            raise
        raise UnsupportedByGateway("This key is not allowed to ask whose it is.") from error


def _read(obj: Object) -> str:
    return object_id(obj)
