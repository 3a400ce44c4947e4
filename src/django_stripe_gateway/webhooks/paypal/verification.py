"""Decide whether a delivery of PayPal's is genuine: fail closed, with the reason in the log and not in the answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, WebhookRejected
from django_stripe_gateway.gateways.paypal.accounts import (
    PayPalAccount,
    paypal_account,
    paypal_accounts,
    share_paypal_account,
)
from django_stripe_gateway.gateways.paypal.signatures import (
    Transmission,
    confirmed_account,
    read_transmission,
    refused,
    signing_account,
)

logger = logging.getLogger(__name__)

OFFLINE = "offline"
API = "api"


def verify_paypal_delivery(body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
    """Return the variant as which a delivery is genuine.

    Args:
        headers: the request's, of which those of PayPal's transmission are read.
        variant: the only account that it may be meant for; by default any PayPal account of the settings.

    Raises:
        WebhookRejected: forged, stale, or meant for another webhook.
        ProviderUnavailable: PayPal's certificate, or PayPal itself, could not be asked; it delivers again.
        GatewayConfigurationError: there is no such variant.
    """
    accounts = [paypal_account(variant)] if variant else list(paypal_accounts())
    found = _verified_account(body, headers, [account for account in accounts if account.webhook_ids])
    # The first variant of the same account, so that an event that comes on several addresses is stored once.
    same = (one.variant for one in paypal_accounts() if share_paypal_account(one.variant, found.variant))
    return next(same, found.variant)


def _verified_account(body: bytes, headers: Mapping[str, str], accounts: Sequence[PayPalAccount]) -> PayPalAccount:
    if not accounts:
        logger.error("A webhook was refused: no webhook id is configured. Set STRIPE_GATEWAY_PAYPAL_WEBHOOK_ID.")
        raise refused("no webhook id is configured")
    try:
        transmission = read_transmission(headers, gateway_settings.paypal_webhook_tolerance)
        account = _account_of(transmission, body, accounts)
        if account is None:
            raise refused("it was signed for none of the configured webhook ids")
    except GatewayConfigurationError as error:
        logger.error("A webhook of PayPal was refused: %s", error.detail)
        raise refused("it cannot be verified here") from None
    except WebhookRejected as error:
        logger.warning("A webhook of PayPal was refused: %s.", "; ".join(getattr(error, "__notes__", [error.detail])))
        raise
    return account


def _account_of(transmission: Transmission, body: bytes, accounts: Sequence[PayPalAccount]) -> PayPalAccount | None:
    how = gateway_settings.paypal_webhook_verification
    if how == OFFLINE:
        return signing_account(transmission, body, accounts)
    if how == API:
        return confirmed_account(transmission, body.decode(), accounts)
    raise GatewayConfigurationError(f'STRIPE_GATEWAY_PAYPAL_WEBHOOK_VERIFICATION must be "{OFFLINE}" or "{API}".')
