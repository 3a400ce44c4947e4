"""Find the allowance that is asked for, and say how it is refused."""

from __future__ import annotations

import math
from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from django_stripe_gateway.choices import LimitPeriod
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import UnknownMetric, UsageLimitExceeded
from django_stripe_gateway.models import LimitOverride, PlanLimit, UsageGrant
from django_stripe_gateway.services.usage.entitlements import Allowance, Entitlements, entitlements_of
from django_stripe_gateway.services.usage.periods import as_aware, window_of
from django_stripe_gateway.services.usage.transactions import usage_database

Look = tuple[Entitlements, Allowance]

NAMING: tuple[type[Model], ...] = (PlanLimit, LimitOverride, UsageGrant)


def look(owner: Any, metric: str) -> Look:
    """Return what ``owner`` may use now, and of ``metric``.

    Raises:
        UnknownMetric: no plan has it.
    """
    entitlements = entitlements_of(owner)
    return entitlements, allowance_in(entitlements, metric)


def allowance_in(entitlements: Entitlements, metric: str) -> Allowance:
    """Return the allowance of one metric; nothing is allowed of what only other plans have.

    Raises:
        UnknownMetric: no plan has it, so that a slip of the pen is not taken for a spent limit.
    """
    found = entitlements.allowances.get(metric)
    if found is not None:
        return found
    is_known = metric in gateway_settings.usage_meters or any(
        model._default_manager.using(usage_database()).filter(metric=metric).exists() for model in NAMING
    )
    if not is_known:
        raise UnknownMetric(_("No plan limits “%(metric)s”.") % {"metric": metric}, field="metric")
    window = window_of(LimitPeriod.LIFETIME, entitlements.now, entitlements.zone, None)
    return Allowance(metric, 0, LimitPeriod.LIFETIME, window)


def limit_exceeded(allowance: Allowance) -> UsageLimitExceeded:
    """Return the refusal of what is more than the allowance has left."""
    extra: dict[str, Any] = {}
    if allowance.window.ends is not None:
        seconds = (allowance.window.ends - as_aware(timezone.now())).total_seconds()
        extra["retry_after"] = max(1, math.ceil(seconds))
    return UsageLimitExceeded(
        _("Your plan does not allow that many %(metric)s now: %(remaining)d of %(limit)d are left.")
        % {"metric": allowance.metric, "remaining": allowance.remaining or 0, "limit": allowance.limit or 0},
        metric=allowance.metric,
        limit=allowance.limit or 0,
        remaining=allowance.remaining or 0,
        resets_at=allowance.resets_at,
        **extra,
    )
