"""Accounts at Acme Pay, as ``PAYMENT_VARIANTS`` describes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

#: What Acme Pay is registered as, and what the option ``gateway`` of its variants says.
NAME = "acme"


@dataclass(frozen=True, slots=True)
class AcmeAccount:
    """One account; its variant's options are ``url``, ``key`` and ``webhook_secret``."""

    variant: str
    url: str
    key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def acme_account(variant: str) -> AcmeAccount:
    """Return the account of a variant."""
    _provider, options = settings.PAYMENT_VARIANTS[variant]
    return AcmeAccount(variant, options["url"], options["key"], options["webhook_secret"])


def acme_variants() -> list[str]:
    """Return the variants that are accounts at Acme Pay."""
    return [name for name, (_path, options) in settings.PAYMENT_VARIANTS.items() if options.get("gateway") == NAME]
