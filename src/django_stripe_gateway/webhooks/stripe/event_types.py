"""The handled event types, by how Stripe sends them."""

from __future__ import annotations

import re

from django_stripe_gateway.webhooks.registry import handled_types

# How Stripe writes its types; a host may handle another provider's without saying whose they are.
SPELLING = re.compile(r"[a-z][a-z0-9_.\[\]]*", re.ASCII)
# Types of thin events begin with the API that their object belongs to: "v1.billing.meter.error_report_triggered".
THIN_PREFIXES = ("v1.", "v2.")


def stripe_event_types(variant: str | None = None, *, connect: bool = False) -> list[str]:
    """Return the handled types that Stripe's v1 API knows: thin ones come another way.

    Args:
        variant: leave out what is handled for other variants only; by default nothing is left out.
        connect: those of connected accounts, and not of the own ones.
    """
    return [name for name in _names(variant, connect=connect) if not name.startswith(THIN_PREFIXES)]


def thin_event_types() -> list[str]:
    """Return the handled types of thin events, which Stripe sends to event destinations of its API v2 only."""
    return [name for name in _names() if name.startswith(THIN_PREFIXES)]


def _names(variant: str | None = None, *, connect: bool = False) -> list[str]:
    return [name for name in handled_types(variant, "stripe", connect=connect) if SPELLING.fullmatch(name)]
