"""Notify receivers, once, that use has reached a part of its limit."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway import signals
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import UsageCounter
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.usage.allowances import Allowance
from django_stripe_gateway.services.usage.transactions import usage_database


def passed_thresholds(base: int | None, before: int, after: int) -> list[int]:
    """Return the thresholds, in percent and rising, that use has reached by growing from ``before`` to ``after``."""
    return [percent for percent, value in threshold_values(base) if before < value <= after]


def threshold_values(base: int | None) -> list[tuple[int, int]]:
    """Return the thresholds of a limit, rising: percent and units."""
    if not base:
        return []
    # Rounded up: 80 % of 5 are 4, of 6 they are 5.
    return [(percent, -(-base * percent // 100)) for percent in gateway_settings.usage_thresholds]


def announce_thresholds(owner: Any, allowance: Allowance, *, before: int, after: int) -> None:
    """Send ``usage_threshold_reached`` after the commit, once for each threshold that ``used`` has reached."""
    for threshold in passed_thresholds(allowance.base, before, after):
        send_on_commit(
            signals.usage_threshold_reached,
            UsageCounter,
            topic="usage",
            using=usage_database(),
            owner=owner,
            metric=allowance.metric,
            threshold=threshold,
            used=after,
            limit=allowance.base,
            resets_at=allowance.resets_at,
        )
