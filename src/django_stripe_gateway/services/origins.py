"""Where a change came from, for the audit trail."""

from __future__ import annotations

from dataclasses import dataclass

from django_stripe_gateway.choices import LogSource


@dataclass(frozen=True, slots=True)
class Origin:
    """Who or what makes a change.

    Args:
        source: one of ``LogSource``.
        actor: an id, never a name or an address ("user:42").
        event_id: the webhook event that brought the change.
    """

    source: str = LogSource.SYSTEM
    actor: str = ""
    event_id: str = ""


SYSTEM = Origin()
