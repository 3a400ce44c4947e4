"""The settings of webhooks: how they are verified, handled and watched."""

from __future__ import annotations

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

DAY = 24 * 60 * 60
# What is counted of the inbox, and beside it.
HEALTH_COUNTS = ("received", "failed", "dead", "unmatched", "oldest_age", "orphaned_payers")


class WebhookSettings:
    """Webhooks."""

    # The SDK takes 0 for "do not look at the time", which would let an old delivery be replayed.
    webhook_tolerance = Setting(
        int,
        default=300,
        rule=rules.integer(1, DAY, unit="seconds"),
        sentence="Seconds by which a signature's time may differ from now.",
    )
    webhook_max_bytes = Setting(
        int,
        default=1024 * 1024,
        rule=rules.integer(65536, unit="bytes"),
        sentence="Largest webhook body that is read.",
    )
    webhook_processing = Setting(
        str,
        default="inline",
        rule=rules.one_of("inline", "task"),
        sentence=(
            "Handle events in the request that brings them, or, with `task`, by [workers](../howto/webhook-workers.md)."
        ),
        checks="E018, W006",
    )
    webhook_queue = Setting(
        str,
        default="default",
        rule=rules.is_text.worded("the name of a queue"),
        sentence="Queue of the tasks that handle events.",
        checks="E018",
    )
    webhook_enqueue = Setting(
        str,
        default="django_stripe_gateway.webhooks.tasks.enqueue_event",
        rule=rules.is_text.worded("the dotted path of a function"),
        sentence="Function that hands an event, by its primary key, to a worker; the default uses Django Tasks.",
        checks="E018",
    )
    webhook_unhandled = Setting(
        values.texts,
        default=(),
        rule=rules.is_event_patterns,
        sentence="Event types, with a wildcard at the end if you like, that this app's own handlers leave alone.",
    )
    webhook_max_attempts = Setting(
        int,
        default=15,
        rule=rules.integer(1, 1000),
        sentence="Attempts after which an event is `dead`.",
    )
    webhook_retry_delay = Setting(
        float,
        default=30.0,
        rule=rules.seconds(above=0, most=DAY),
        sentence="Seconds until the second attempt; each further one waits twice as long.",
    )
    webhook_retry_max_delay = Setting(
        float,
        default=6 * 60 * 60,
        rule=rules.seconds(above=0, most=7 * DAY),
        sentence="Longest time in seconds between two attempts.",
    )
    webhook_retry_jitter = Setting(
        float,
        default=0.2,
        rule=rules.is_fraction,
        sentence="Part of the delay that is added at random, so that many events do not come back at once.",
    )
    webhook_lease = Setting(
        int,
        default=300,
        rule=rules.integer(1, DAY, unit="seconds"),
        sentence="Seconds after which a worker that has not finished an event is taken for dead.",
    )
    # Providers repeat an event for days; one that was forgotten by then would be handled a second time.
    webhook_retention_days = Setting(
        int,
        default=90,
        rule=rules.integer(31, unit="days"),
        sentence=(
            "Days that settled events are kept before [`purge_webhook_events`](commands.md) deletes them; Stripe lists "
            "events for 30 days."
        ),
    )
    webhook_health_limits = Setting(
        values.integer_by_name,
        default={"dead": 0, "oldest_age": 60 * 60},
        rule=rules.limits_of(HEALTH_COUNTS),
        sentence=(
            "The most of each count (`oldest_age` in seconds) with which [`webhooks/health/`](http-api.md) answers 200."
        ),
    )
    webhook_health_permission_classes = Setting(
        values.texts,
        default=("rest_framework.permissions.IsAdminUser",),
        rule=rules.classes("has_permission"),
        sentence="Permission classes of `webhooks/health/` alone.",
    )
