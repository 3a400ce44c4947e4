"""Keys and secrets of the Stripe accounts; none of them is ever shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.checks.variants import is_stripe, readable_variants
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount, stripe_account

NEEDED = frozenset(
    f"STRIPE_GATEWAY_{name}"
    for name in ("API_KEY", "WEBHOOK_SECRET", "API_BASE", "API_VERSION", "USE_LOCALSTRIPE", "LOCALSTRIPE_URL")
)
NOT_SECRET_KEYS = ("pk_", "whsec_", "price_", "acct_")


def check_accounts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that each Stripe variant has a key and a webhook secret that look like ones."""
    found: list[CheckMessage] = []
    for account in readable_accounts():
        found.extend(_check_key(account))
        found.extend(_check_secrets(account))
    return found


def readable_accounts() -> list[StripeAccount]:
    """Return the accounts of the Stripe variants; none while the settings that they are made of are wrong."""
    if wrong_settings() & NEEDED:
        return []
    return [
        stripe_account(name)
        for name, (provider, options) in readable_variants().items()
        if is_stripe(provider, options)
    ]


def _check_key(account: StripeAccount) -> Iterator[CheckMessage]:
    key, name = account.api_key, account.variant
    if not key:
        message = f"There is no API key for the payment variant {name!r}."
        yield error("002", message, 'Add STRIPE_GATEWAY_API_KEY = "sk_…" to your settings (from the environment).')
    elif key.startswith(NOT_SECRET_KEYS):
        message = f"What is set as the API key of the variant {name!r} is not a secret key."
        hint = "Set STRIPE_GATEWAY_API_KEY to the key that begins with sk_ or rk_ (pk_ is for browsers)."
        yield error("004", message, hint)
    elif re.search(r"\s", key) or not key.isascii():
        message = f"The API key of the variant {name!r} has a space or another stray character in it."
        yield error("004", message, "Copy the key again into STRIPE_GATEWAY_API_KEY, without spaces or line ends.")
    if account.is_localstripe and account.livemode:
        message = f"The variant {name!r} would send a live key to localstripe."
        yield error("005", message, "Set STRIPE_GATEWAY_USE_LOCALSTRIPE = False, or take the live key out.")


def _check_secrets(account: StripeAccount) -> Iterator[CheckMessage]:
    name = account.variant
    if not account.webhook_secrets and not account.accepts_unsigned_webhooks:
        message = f"There is no webhook secret for the payment variant {name!r}, so that every webhook is refused."
        hint = (
            'Add STRIPE_GATEWAY_WEBHOOK_SECRET = "whsec_…" to your settings. The Dashboard shows it '
            "beside the endpoint, `stripe listen` when it starts."
        )
        yield error("003", message, hint)
    if not account.is_localstripe and not all(secret.startswith("whsec_") for secret in account.webhook_secrets):
        message = f"A webhook secret of the variant {name!r} does not begin with whsec_."
        yield warning("003", message, "Copy the endpoint's signing secret into STRIPE_GATEWAY_WEBHOOK_SECRET.")
