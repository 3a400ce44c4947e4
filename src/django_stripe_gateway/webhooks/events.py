"""An event as handlers see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.services.origins import Origin

_ID = re.compile(r"[\w.:-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a provider.

    Args:
        variant: the payment variant whose secret verified it.
        object: what the event is about, as plain values; of a thin event its ``related_object``, which only names it.
        context: what a thin event about another account has to be asked for with.
        fetched: what a handler has asked the provider for, after it raised ``FetchNeeded``.
    """

    id: str
    type: str
    provider: str
    variant: str = ""
    api_version: str = ""
    livemode: bool | None = None
    created: datetime | None = None
    context: str = ""
    object: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fetched: Any = field(default=None, repr=False)

    @property
    def origin(self) -> Origin:
        """Where changes made by this event come from."""
        return Origin(source=LogSource.WEBHOOK, actor=self.provider, event_id=self.id)


def clean_id(value: Any) -> str:
    """Return ``value`` if it can be a provider's id, else an empty text; anything else never reaches a query."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""
