"""The Stripe accounts: their options, keys and secrets, none of which is ever shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.checks.variants import readable_variants
from django_stripe_gateway.conf import STRIPE_PROVIDER, gateway_settings, is_seller_variant, rules, split_secrets
from django_stripe_gateway.conf.variants import DIRECT_CHARGES, takes_direct_charges
from django_stripe_gateway.gateways.entries import is_entry_of
from django_stripe_gateway.gateways.provider import Options, ProviderChecks
from django_stripe_gateway.gateways.stripe.accounts import (
    ACCOUNT_SETTINGS,
    BASE_GATEWAY,
    FLOW_CHECKOUT,
    FLOW_INTENT,
    StripeAccount,
    is_stripe_variant,
    stripe_account,
)

NOT_SECRET_KEYS = ("pk_", "whsec_", "price_", "acct_")
# Stripe's keys are long and without punctuation after their prefix; made-up ones are not.
REAL_KEY = re.compile(r"(sk|rk)_(test|live|org|org_test|org_live)_[A-Za-z0-9]{16,}")
UPSTREAM_PROVIDERS = ("payments.stripe.StripeProvider", "payments.stripe.StripeProviderV3")
# Of the 64 characters of a column; the rest is for a colon and the account's id, some of which are longer than others.
LONGEST_PLATFORM = 32
OPTIONS: Options = {
    "api_key": ("a string", rules.is_optional_text),
    "endpoint_secret": ("a string, or a list of strings", rules.is_texts),
    "connect_endpoint_secret": ("a string, or a list of strings", rules.is_texts),
    "account_id": (rules.is_optional_account.must, rules.is_optional_account),
    "context": (rules.is_optional_context.must, rules.is_optional_context),
    "api_base": ("an address, or empty", rules.is_optional_address),
    "api_version": ("a version of Stripe's API, or empty", rules.is_optional_version),
    "flow": (f'"{FLOW_CHECKOUT}" or "{FLOW_INTENT}"', rules.is_optional_text),
    "capture": ("True or False", rules.is_bool),
    DIRECT_CHARGES: ("True or False", rules.is_bool),
    "use_localstripe": ("True or False", rules.is_bool),
    "gateway": ("a dotted path", rules.is_optional_text),
}


def check_accounts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that each Stripe variant has a key and a webhook secret that look like ones."""
    found: list[CheckMessage] = []
    for account in readable_accounts():
        found.extend(_check_key(account))
        found.extend(_check_secrets(account))
    return found


def check_accounts_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that no account of a development is used; with ``DEBUG = True`` this is no production."""
    if settings.DEBUG:
        return []
    return [message for account in readable_accounts() for message in _check_deployed(account)]


def readable_accounts() -> list[StripeAccount]:
    """Return the accounts of the Stripe variants; none while the settings that they are made of are wrong."""
    if not wrong_settings().isdisjoint(ACCOUNT_SETTINGS):
        return []
    return [stripe_account(name) for name in readable_variants() if is_stripe_variant(name)]


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
    if account.is_organization and not account.context and not account.is_localstripe:
        message = f"The API key of the variant {name!r} is an organisation's, and nothing says for which account."
        hint = "Set STRIPE_GATEWAY_CONTEXT, or the variant's option \"context\", to the account's id (acct_…)."
        yield error("019", message, hint)
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
    if not account.is_localstripe and not all(secret.startswith("whsec_") for secret in account.signing_secrets):
        message = f"A webhook secret of the variant {name!r} does not begin with whsec_."
        yield warning("003", message, "Copy the endpoint's signing secret into STRIPE_GATEWAY_WEBHOOK_SECRET.")


def _check_deployed(account: StripeAccount) -> Iterator[CheckMessage]:
    name = account.variant
    if account.is_localstripe:
        message = f"The variant {name!r} uses localstripe with DEBUG = False: nobody would pay anything."
        yield error("030", message, "Set STRIPE_GATEWAY_USE_LOCALSTRIPE = False.")
        return
    if account.api_key and REAL_KEY.fullmatch(account.api_key) is None:
        message = f"The API key of the variant {name!r} is a dummy, with DEBUG = False."
        yield error("031", message, "Set STRIPE_GATEWAY_API_KEY to the secret key of your Stripe account.")
    elif account.api_key and not account.livemode:
        message = f"The API key of the variant {name!r} is a test key, with DEBUG = False: no real money moves."
        yield warning("032", message, "Set STRIPE_GATEWAY_API_KEY to a live key, unless this is a staging site.")
    if account.api_base.startswith("http://") and not _is_loopback(account.api_base):
        message = f"The API key of the variant {name!r} would be sent over plain http."
        yield error("032", message, "Set STRIPE_GATEWAY_API_BASE to an address that begins with https://.")


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_sellers(name: str, options: Mapping[str, Any], *, is_ours: bool) -> Iterator[CheckMessage]:
    """Check what an entry says of payments on sellers' accounts."""
    if is_seller_variant(name):
        message = f"The variant {name!r} has the name of a seller's account, which is found without an entry."
        yield error("024", message, "Give the entry another name, without a colon.")
    if not takes_direct_charges(options):
        return
    if not is_ours or options.get("use_localstripe", gateway_settings.use_localstripe) is True:
        message = f"The variant {name!r} cannot take payments on sellers' accounts: that is Stripe's alone."
        yield error("025", message, f'Remove "{DIRECT_CHARGES}" from its options.')
    elif len(name) > LONGEST_PLATFORM:
        message = f"The name of the variant {name!r} is too long to stand before a seller's account."
        yield error("024", message, f"Give the entry a name of at most {LONGEST_PLATFORM} characters.")
    elif not split_secrets(options.get("connect_endpoint_secret")):
        message = f"The variant {name!r} takes payments on sellers' accounts, of which it gets no events."
        hint = 'Run manage.py register_webhook_endpoint --connect, and set its option "connect_endpoint_secret".'
        yield warning("008", message, hint)


class StripeChecks(ProviderChecks):
    """What is checked of Stripe's variants."""

    options = OPTIONS
    always = (check_accounts,)
    deployment = (check_accounts_deployment,)

    def check_entry(self, name: str, path: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
        """Check an entry's flow, and that it is not django-payments' own provider."""
        flow = options.get("flow")
        is_ours = is_entry_of("stripe", STRIPE_PROVIDER, BASE_GATEWAY, path, options)
        if is_ours and isinstance(flow, str) and flow not in ("", FLOW_CHECKOUT, FLOW_INTENT):
            message = f'The flow of the variant {name!r} must be "{FLOW_CHECKOUT}" or "{FLOW_INTENT}".'
            yield error("006", message, f'Write "flow": "{FLOW_CHECKOUT}" in its options, or leave it out.')
        yield from _check_sellers(name, options, is_ours=is_ours)
        if path in UPSTREAM_PROVIDERS:
            message = (
                f"The variant {name!r} uses django-payments' own Stripe provider, which fails on current Stripe SDKs."
            )
            yield warning("004", message, f'Replace "{path}" by "{STRIPE_PROVIDER}".')
