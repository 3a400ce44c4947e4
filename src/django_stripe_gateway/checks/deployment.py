"""What must not reach production: ``check --deploy``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import connections

from django_stripe_gateway.checks.accounts import readable_accounts
from django_stripe_gateway.checks.databases import payments_alias
from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount

# Stripe's keys are long and without punctuation after their prefix; made-up ones are not.
REAL_KEY = re.compile(r"(sk|rk)_(test|live|org_test|org_live)_[A-Za-z0-9]{16,}")


def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check accounts and addresses; with ``DEBUG = True`` these are not the settings of a production."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    for account in readable_accounts():
        found.extend(_check_account(account))
    return [*found, *_check_addresses()]


def check_deployment_databases(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check how the payments' database is connected to."""
    alias = payments_alias()
    if settings.DEBUG or alias not in connections.settings:
        return []
    connection = connections[alias]
    options = connection.settings_dict.get("OPTIONS") or {}
    found: list[CheckMessage] = []
    locks_at_once = str(options.get("transaction_mode")).upper() in ("IMMEDIATE", "EXCLUSIVE")
    if connection.vendor == "sqlite" and not locks_at_once:
        message = f"Transactions on the SQLite database {alias!r} take its lock late: concurrent payments collide."
        found.append(warning("034", message, 'Add "OPTIONS": {"transaction_mode": "IMMEDIATE"} to it.'))
    connects_anew = connection.settings_dict.get("CONN_MAX_AGE") == 0 and not options.get("pool")
    if connection.vendor == "postgresql" and connects_anew:
        message = f"Each request connects anew to the PostgreSQL database {alias!r}, which costs more than its work."
        hint = (
            'Add "CONN_MAX_AGE": 60 to it (or "OPTIONS": {"pool": True} under ASGI), or silence this check if a pooler '
            "stands in front of it."
        )
        found.append(warning("033", message, hint))
    return found


def _check_account(account: StripeAccount) -> Iterator[CheckMessage]:
    name = account.variant
    if account.is_localstripe:
        message = f"The variant {name!r} uses localstripe with DEBUG = False: nobody would pay anything."
        yield error("030", message, "Set STRIPE_GATEWAY_USE_LOCALSTRIPE = False.")
        return
    if account.api_key and REAL_KEY.fullmatch(account.api_key) is None:
        message = f"The API key of the variant {name!r} is a dummy, with DEBUG = False."
        yield error("031", message, "Set STRIPE_GATEWAY_API_KEY to the secret key of your Stripe account.")
    elif account.api_key and not account.livemode and "_org_live_" not in account.api_key:
        message = f"The API key of the variant {name!r} is a test key, with DEBUG = False: no real money moves."
        yield warning("032", message, "Set STRIPE_GATEWAY_API_KEY to a live key, unless this is a staging site.")
    if account.api_base.startswith("http://") and not _is_loopback(account.api_base):
        message = f"The API key of the variant {name!r} would be sent over plain http."
        yield error("032", message, "Set STRIPE_GATEWAY_API_BASE to an address that begins with https://.")


def _check_addresses() -> Iterator[CheckMessage]:
    if not gateway_settings.payment_uses_ssl:
        message = "PAYMENT_USES_SSL is False with DEBUG = False: customers are sent back over plain http."
        yield warning("031", message, "Set PAYMENT_USES_SSL = True, or remove the line.")
    wrong = wrong_settings()
    for name in ("STRIPE_GATEWAY_SUCCESS_URL", "STRIPE_GATEWAY_FAILURE_URL"):
        if name not in wrong and str(getattr(settings, name, None) or "").startswith("http://"):
            message = f"{name} sends customers to plain http with DEBUG = False."
            yield warning("031", message, f"Let {name} begin with https://.")


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
