"""The system checks of Acme Pay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from acme_pay.accounts import acme_variants
from django_stripe_gateway.gateways import ProviderChecks


def is_text(value: Any) -> bool:
    """Return whether an option is what it must be."""
    return isinstance(value, str) and bool(value)


def check_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that each account has all options."""
    options: Mapping[str, Mapping[str, Any]] = {name: settings.PAYMENT_VARIANTS[name][1] for name in acme_variants()}
    return [
        Error(f"The variant {name!r} lacks the option {option!r}.", hint="Add it to its options.", id="acme_pay.E001")
        for name, found in options.items()
        for option in AcmeChecks.options
        if option not in found
    ]


class AcmeChecks(ProviderChecks):
    """Three texts for each account."""

    options = {**ProviderChecks.options, **dict.fromkeys(("url", "key", "webhook_secret"), ("a text", is_text))}
    always = (check_options,)
