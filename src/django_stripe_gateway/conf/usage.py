"""The settings of usage limits: how use is counted, and who is notified of it."""

from __future__ import annotations

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting


class UsageSettings:
    """Usage limits."""

    usage_thresholds = Setting(
        values.rising,
        default=(80, 100),
        rule=rules.is_percentages,
        sentence="Percentages of a limit at which `usage_threshold_reached` is sent.",
    )
    usage_reservation_seconds = Setting(
        int,
        default=15 * 60,
        rule=rules.integer(1, 30 * 24 * 60 * 60, unit="seconds"),
        sentence="Seconds after which reserved units that nobody used are free again.",
    )
    usage_meters = Setting(
        values.text_by_name,
        default={},
        rule=rules.is_text_mapping.worded("a dictionary of metrics and event names of Stripe's meters"),
        sentence="Metric → event name of the Stripe Billing Meter that its use is reported to.",
    )
