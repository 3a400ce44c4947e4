"""What an owner has subscribed to."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.models import Plan, Subscription
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet


def subscriptions_for(owner: Any) -> SubscriptionQuerySet:
    """Return all subscriptions of ``owner``, ended ones too, the newest first."""
    return Subscription.objects.for_owner(owner).select_related("plan", "pricing").order_by("-pk")


def valid_plans(owner: Any) -> list[Plan]:
    """Return the plans that ``owner`` has now, the most expensive first; without any, the default plan."""
    found = subscriptions_for(owner).valid().filter(plan__isnull=False)
    ranked = sorted(found, key=lambda one: (one.pricing.amount if one.pricing is not None else 0, one.pk), reverse=True)
    plans = list(dict.fromkeys(one.plan for one in ranked if one.plan is not None))
    if plans:
        return plans
    default = Plan.objects.default()
    return [] if default is None else [default]


def active_plan(owner: Any) -> Plan | None:
    """Return the plan that ``owner`` has now: of several the most expensive, without any the default plan."""
    return next(iter(valid_plans(owner)), None)


def has_plan(owner: Any, *slugs: str) -> bool:
    """Return whether ``owner`` has one of the plans named by their keys; any subscription will do if none is named."""
    valid = subscriptions_for(owner).valid()
    if not slugs:
        return valid.exists()
    return valid.filter(plan__slug__in=slugs).exists() or any(plan.slug in slugs for plan in valid_plans(owner))
