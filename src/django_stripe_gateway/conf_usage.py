"""The settings of usage limits, read through typed properties; their defaults stand in ``conf``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings


class UsageSettings:
    """How use is counted, and who is told about it."""

    @property
    def owner_time_zone_resolver(self) -> str:
        """Dotted path of a function that returns an owner's time zone, empty for the site's."""
        return str(_setting("OWNER_TIME_ZONE_RESOLVER") or "")

    @property
    def usage_thresholds(self) -> tuple[int, ...]:
        """Parts of a limit, in percent and rising, whose reaching is signalled."""
        return tuple(sorted(set(_setting("USAGE_THRESHOLDS"))))

    @property
    def usage_reservation_seconds(self) -> int:
        """Seconds after which reserved units that nobody used are free again."""
        return int(_setting("USAGE_RESERVATION_SECONDS"))

    @property
    def usage_meters(self) -> Mapping[str, str]:
        """Metric → event name of the Stripe Billing Meter that is told about its use."""
        return dict(_setting("USAGE_METERS"))


def _setting(name: str) -> Any:
    return getattr(settings, f"STRIPE_GATEWAY_{name}")
