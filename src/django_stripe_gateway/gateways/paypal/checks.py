"""The PayPal accounts: credentials, webhook ids and what their signatures are verified with; none of it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.checks.variants import readable_variants
from django_stripe_gateway.conf import gateway_settings, rules
from django_stripe_gateway.gateways.paypal.accounts import PayPalAccount, is_paypal_variant, paypal_account
from django_stripe_gateway.gateways.provider import Options, ProviderChecks

OPTIONS: Options = {
    "client_id": ("a string", rules.is_optional_text),
    "client_secret": ("a string", rules.is_optional_text),
    "webhook_id": ("a string, or a list of strings", rules.is_texts),
    "sandbox": ("True or False", rules.is_bool),
    "api_base": ("an address, or empty", rules.is_optional_address),
    "capture": ("True or False", rules.is_bool),
    "gateway": ('"paypal"', rules.is_optional_text),
}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_paypal(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that each PayPal variant has what it needs."""
    found: list[CheckMessage] = []
    accounts = _accounts()
    for account in accounts:
        found.extend(_check_account(account))
    if accounts:
        found.extend(_check_verification())
    return found


def check_paypal_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check what must not reach production."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    for account in _accounts():
        if account.is_sandbox:
            message = f"The variant {account.variant!r} uses PayPal's sandbox, with DEBUG = False: no real money moves."
            hint = "Set STRIPE_GATEWAY_PAYPAL_SANDBOX = False, unless this is a staging site."
            found.append(warning("035", message, hint))
        parts = urlsplit(account.api_base)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            message = f"The PayPal credentials of the variant {account.variant!r} would be sent over plain http."
            found.append(error("064", message, "Let STRIPE_GATEWAY_PAYPAL_API_BASE begin with https://."))
    return found


def _accounts() -> list[PayPalAccount]:
    """Return the accounts that can be read."""
    if any("PAYPAL" in name for name in wrong_settings()):
        return []
    return [paypal_account(name) for name in readable_variants() if is_paypal_variant(name)]


def _check_account(account: PayPalAccount) -> Iterator[CheckMessage]:
    if not account.client_id or not account.client_secret:
        message = f"There are no PayPal credentials for the payment variant {account.variant!r}."
        hint = "Set STRIPE_GATEWAY_PAYPAL_CLIENT_ID and STRIPE_GATEWAY_PAYPAL_CLIENT_SECRET (from the environment)."
        yield error("060", message, hint)
    if not account.webhook_ids:
        message = f"There is no webhook id for the payment variant {account.variant!r}: every webhook is refused."
        hint = "Set STRIPE_GATEWAY_PAYPAL_WEBHOOK_ID to the id that PayPal shows beside the webhook of your app."
        yield error("061", message, hint)


def _check_verification() -> Iterator[CheckMessage]:
    if gateway_settings.paypal_webhook_verification != "offline":
        return
    if find_spec("cryptography") is None:
        message = "PayPal's webhooks are verified with the package cryptography, which is not installed."
        hint = (
            'Install django-stripe-gateway[paypal], or set STRIPE_GATEWAY_PAYPAL_WEBHOOK_VERIFICATION = "api", which '
            "asks PayPal each time."
        )
        yield error("062", message, hint)
    bundle = gateway_settings.paypal_ca_bundle
    if bundle and not Path(bundle).is_file():
        message = "STRIPE_GATEWAY_PAYPAL_CA_BUNDLE names a file that does not exist."
        yield error("063", message, "Correct the path, or remove the line to trust the usual authorities.")


class PayPalChecks(ProviderChecks):
    """What is checked of PayPal's variants."""

    options = OPTIONS
    always = (check_paypal,)
    deployment = (check_paypal_deployment,)
