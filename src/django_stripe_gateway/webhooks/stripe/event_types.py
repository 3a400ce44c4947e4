"""The handled event types, by who sends them and how."""

from __future__ import annotations

from django_stripe_gateway.webhooks.registry import handled_types

# Types of thin events begin with the API that their object belongs to: "v1.billing.meter.error_report_triggered".
THIN_PREFIXES = ("v1.", "v2.")


def stripe_event_types(account: str | None = None) -> list[str]:
    """Return the handled types that Stripe's v1 API knows: PayPal's are in capitals, thin ones come another way.

    Args:
        account: leave out what is handled for other accounts only; by default nothing is left out.
    """
    return [name for name in handled_types(account) if not name.isupper() and not name.startswith(THIN_PREFIXES)]


def thin_event_types() -> list[str]:
    """Return the handled types of thin events, which Stripe sends to event destinations of its API v2 only."""
    return [name for name in handled_types() if name.startswith(THIN_PREFIXES)]
