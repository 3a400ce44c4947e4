"""Decide whether a delivery is genuine: fail closed, with the reason in the log and not in the answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.gateways.accounts import StripeAccount, stripe_account, stripe_accounts
from django_stripe_gateway.gateways.stripe_webhooks import signing_account
from django_stripe_gateway.webhooks.events import Event, parse_event

logger = logging.getLogger(__name__)


def verify_stripe_delivery(body: bytes, signature: str, variant: str = "") -> tuple[Event, str]:
    """Return the event of a delivery and its body as text.

    Args:
        signature: the ``Stripe-Signature`` header, empty if there was none.
        variant: the only account that may have signed it; by default any Stripe account of the settings.

    Raises:
        WebhookRejected: forged, stale, unsigned where a signature is needed, or not an event.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise WebhookRejected("The body is not UTF-8.", code="not_json") from None
    account = _verified_account(text, signature, _accounts(variant))
    return parse_event(text, provider="stripe", account=account), text


def _accounts(variant: str) -> Sequence[StripeAccount]:
    return [stripe_account(variant)] if variant else list(stripe_accounts())


def _verified_account(text: str, signature: str, accounts: Sequence[StripeAccount]) -> str:
    unsigned = [account for account in accounts if account.accepts_unsigned_webhooks]
    signed = [account for account in accounts if account.webhook_secrets]
    if signature and signed:
        account = signing_account(text, signature, signed, gateway_settings.webhook_tolerance)
        if account is not None:
            return account.variant
    if unsigned:
        # Development on localstripe without a secret.
        return unsigned[0].variant
    if not signed:
        logger.error("A webhook was refused: no signing secret is configured. Set STRIPE_GATEWAY_WEBHOOK_SECRET.")
    elif not signature:
        logger.warning("A webhook was refused: it has no Stripe-Signature header.")
    else:
        logger.warning("A webhook was refused: no configured secret signed it, or its timestamp is too old.")
    raise WebhookRejected("The signature is missing or wrong.", code="bad_signature")
