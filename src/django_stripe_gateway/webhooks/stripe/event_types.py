"""The handled event types, by how Stripe sends them."""

from __future__ import annotations

import re

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.stripe.accounts import is_stripe_variant, stripe_account
from django_stripe_gateway.webhooks.registry import handled_types
from django_stripe_gateway.webhooks.stripe.variants import event_variant

# How Stripe writes its types; a host may handle another provider's without saying whose they are.
SPELLING = re.compile(r"[a-z][a-z0-9_.\[\]]*", re.ASCII)
# Types of thin events begin with the API that their object belongs to: "v1.billing.meter.error_report_triggered".
THIN_PREFIXES = ("v1.", "v2.")
# Of the objects that one-off payments are made of; see ``connected.OF_PAYMENTS``.
OF_PAYMENTS = ("checkout.session.", "payment_intent.", "charge.", "refund.")


def stripe_event_types(variant: str | None = None, *, connect: bool = False) -> list[str]:
    """Return the handled types that Stripe's v1 API knows: thin ones come another way.

    Args:
        variant: leave out what is handled for other variants only; by default nothing is left out.
        connect: those of connected accounts, and not of the own ones; where payments are taken on sellers' accounts,
            those of payments are among them.
    """
    names = _names(variant, connect=connect)
    if connect and variant is not None and _takes_direct_charges(variant):
        names = sorted({*names, *(name for name in _names(variant) if name.startswith(OF_PAYMENTS))})
    return [name for name in names if not name.startswith(THIN_PREFIXES)]


def thin_event_types() -> list[str]:
    """Return the handled types of thin events, which Stripe sends to event destinations of its API v2 only."""
    return [name for name in _names() if name.startswith(THIN_PREFIXES)]


def _takes_direct_charges(variant: str) -> bool:
    """Return whether payments are taken on the accounts that are connected to a variant's."""
    names = filter(is_stripe_variant, gateway_settings.variants.platforms())
    return any(event_variant(stripe_account(name)) == variant for name in names)


def _names(variant: str | None = None, *, connect: bool = False) -> list[str]:
    return [name for name in handled_types(variant, "stripe", connect=connect) if SPELLING.fullmatch(name)]
