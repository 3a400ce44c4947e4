"""The settings of usage limits, read through typed properties; their defaults stand in ``conf``."""

from __future__ import annotations

from collections.abc import Mapping

from django_stripe_gateway.conf_reader import SettingsReader


class UsageSettings(SettingsReader):
    """How use is counted, and who is told about it."""

    @property
    def owner_time_zone_resolver(self) -> str:
        """Dotted path of a function that returns an owner's time zone, empty for the site's."""
        return str(self._get("OWNER_TIME_ZONE_RESOLVER") or "")

    @property
    def usage_thresholds(self) -> tuple[int, ...]:
        """Parts of a limit, in percent and rising, whose reaching is signalled."""
        return tuple(sorted(set(self._get("USAGE_THRESHOLDS"))))

    @property
    def usage_reservation_seconds(self) -> int:
        """Seconds after which reserved units that nobody used are free again."""
        return int(self._get("USAGE_RESERVATION_SECONDS"))

    @property
    def usage_meters(self) -> Mapping[str, str]:
        """Metric → event name of the Stripe Billing Meter that is told about its use."""
        return dict(self._get("USAGE_METERS"))
