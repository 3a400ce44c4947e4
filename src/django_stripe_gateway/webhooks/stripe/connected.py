"""Events of connected accounts: whose an event is that names its account."""

from __future__ import annotations

import logging

from django_stripe_gateway.accounts import Account
from django_stripe_gateway.conf import gateway_settings, seller_variant
from django_stripe_gateway.exceptions import GatewayError, ProviderUnavailable
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount, stripe_account, stripe_accounts
from django_stripe_gateway.models.provider_accounts import current_account
from django_stripe_gateway.services.accounts import learn_account
from django_stripe_gateway.webhooks.stripe.variants import event_variant

logger = logging.getLogger(__name__)


# What payments are taken by; of all else of a seller's account no row here can be.
OF_PAYMENTS = frozenset({"checkout.session", "payment_intent", "charge", "refund", "dispute"})


def place(variant: str, account_id: str, livemode: bool | None, kind: str = "") -> tuple[str, str]:
    """Return the variant that an event is about, and its account where that is no variant's.

    An event that names the verified variant's own account is as one that names none: an endpoint of an organisation
    names it always. What an endpoint brings of an account that another variant has the key of is that variant's, if
    the platform has been given a secret for the events of connected accounts, or both have the endpoint's secret, as
    the accounts of an organisation may. What is about payments on the account of a seller who is connected to the
    verified platform is of that seller's variant, and keeps the account's name: hosts that handle what happens on
    connected accounts get it as before. All else is of an account that nothing here belongs to.

    Args:
        kind: of the object that it is about.

    Raises:
        ProviderUnavailable: Stripe did not say whose the variant's key is.
    """
    verified = stripe_account(variant)
    account = _known(verified)
    if account is not None and account.account_id and not account.named_id:
        if account_id == account.account_id:
            return variant, ""
    elif account is not None:
        logger.warning(
            "An event of the account %s is left to those who handle connected accounts, because nobody knows whose the "
            "key of the variant %s is. Set STRIPE_GATEWAY_ACCOUNT_ID, or the variant's option account_id.",
            account_id,
            variant,
        )
    for other in stripe_accounts():
        if other.is_localstripe or livemode not in (None, other.livemode):
            continue
        if verified.connect_secrets or not set(verified.webhook_secrets).isdisjoint(other.webhook_secrets):
            known = current_account(other.variant)
            if known is not None and not known.named_id and known.account_id == account_id:
                return event_variant(other), ""
    return (kind in OF_PAYMENTS and _seller(account, account_id, livemode)) or variant, account_id


def _seller(platform: Account | None, account_id: str, livemode: bool | None) -> str:
    """Return the first variant by which payments are taken on an account, empty if none are.

    What nobody knows for certain is no seller's: whose the platform's key is, or the event's mode.
    """
    if platform is None or not platform.account_id or platform.named_id or livemode is not platform.livemode:
        return ""
    for name in gateway_settings.variants.platforms():
        found = seller_variant(name, account_id)
        known = current_account(name)
        is_platform = known is not None and known.ids == platform.ids and known.livemode == platform.livemode
        if is_platform and found in gateway_settings.variants:
            return found
    return ""


def _known(account: StripeAccount) -> Account | None:
    try:
        return learn_account(account.variant)
    except ProviderUnavailable:
        raise
    except GatewayError:
        # What the settings and Stripe do not agree about proves nothing.
        return current_account(account.variant)
