"""What must not reach production: ``check --deploy``."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import connections

from django_stripe_gateway.adapter import Adapter, get_adapter
from django_stripe_gateway.checks.databases import payments_alias
from django_stripe_gateway.checks.messages import warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import gateway_settings


def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check addresses; with ``DEBUG = True`` these are not the settings of a production."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    if not gateway_settings.payment_uses_ssl:
        message = "PAYMENT_USES_SSL is False with DEBUG = False: customers are sent back over plain http."
        found.append(warning("031", message, "Set PAYMENT_USES_SSL = True, or remove the line."))
    wrong = wrong_settings()
    for name in ("STRIPE_GATEWAY_SUCCESS_URL", "STRIPE_GATEWAY_FAILURE_URL"):
        if name not in wrong and str(getattr(settings, name, None) or "").startswith("http://"):
            message = f"{name} sends customers to plain http with DEBUG = False."
            found.append(warning("031", message, f"Let {name} begin with https://."))
    return found


def check_deployment_prices(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that somebody else than the clients of the API says what a payment costs."""
    try:
        prices = type(get_adapter()).price_payment
    except Exception:
        # A class that cannot be had is reported elsewhere; its module can raise anything when it is imported.
        return []
    wrong = "STRIPE_GATEWAY_CUSTOMER_ACTIONS" in wrong_settings()
    if settings.DEBUG or prices is not Adapter.price_payment or wrong:
        return []
    if "create_payment" not in gateway_settings.customer_actions:
        return []
    message = "Clients of the API choose what they pay: the adapter does not override price_payment()."
    hint = (
        "Override price_payment() in a subclass of Adapter and name it in STRIPE_GATEWAY_ADAPTER. Silence this check "
        "if you compare Payment.objects.paid_amount() with what each order costs."
    )
    return [warning("036", message, hint)]


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
