"""What the plans in the database promise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, router

from django_stripe_gateway.checks.messages import warning
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing


def check_catalogue(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn about plans that give whoever pays less than nothing costs, and of use that nobody is charged for."""
    alias = router.db_for_read(Plan)
    if alias not in (databases or ()):
        return []
    try:
        return [*_check_limits(alias), *_check_meters(alias)]
    except Error:
        # The tables come with the first migration.
        return []


def _check_limits(alias: str) -> Iterator[CheckMessage]:
    default = Plan.objects.using(alias).default()
    if default is None:
        return
    limits = PlanLimit.objects.using(alias)
    given = set(limits.filter(plan=default).exclude(limit=0).values_list("metric", flat=True))
    paid = PlanPricing.objects.using(alias).active().filter(amount__gt=0)
    plans = Plan.objects.using(alias).active().plans().filter(pk__in=paid.values("plan")).exclude(pk=default.pk)
    for plan in plans:
        lacking = given - set(limits.filter(plan=plan).values_list("metric", flat=True))
        if lacking:
            names = ", ".join(sorted(lacking))
            message = f"The plan {plan.slug!r} is paid for and lists no limit of {names}: there it gives what is free."
            hint = f"The default plan is {default.slug!r}. Add the limit to {plan.slug!r}, empty for no limit."
            yield warning("022", message, hint)


def _check_meters(alias: str) -> Iterator[CheckMessage]:
    try:
        meters = set(gateway_settings.usage_meters)
        # What is sold depends on the accounts that the settings describe.
        rows = PlanPricing.objects.using(alias).sold().filter(usage_type="metered", plan__is_active=True)
    except (AttributeError, ImproperlyConfigured, TypeError, ValueError):
        # The checks of the settings say so.
        return
    for metric in sorted(set(rows.values_list("metric", flat=True)) - meters - {""}):
        message = f"Use of {metric!r} is sold, but not reported: nobody is charged for it."
        hint = f"Add {{{metric!r}: {metric!r}}} to STRIPE_GATEWAY_USAGE_METERS, and run send_meter_events from cron."
        yield warning("023", message, hint)
