"""What an owner has subscribed to, and which of it is their plan.

One rule says which plan counts, here and in ``me/limits``: of the plans in valid subscriptions the dearest by the day,
then the newest (``plan_rank``); without any, the default plan. An add-on is never somebody's plan.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from django_stripe_gateway.choices import SubscriptionItemKind
from django_stripe_gateway.models import Plan, Subscription
from django_stripe_gateway.models.subscription_items import plan_rank
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet


def subscriptions_for(owner: Any) -> SubscriptionQuerySet:
    """Return all subscriptions of ``owner``, ended ones too, the newest first."""
    return Subscription.objects.for_owner(owner).select_related("plan", "pricing").order_by("-pk")


def valid_plans(owner: Any) -> list[Plan]:
    """Return the plans that ``owner`` has now, the most expensive first; without any, the default plan."""
    found = subscriptions_for(owner).valid().filter(plan__is_add_on=False).with_price()
    ranked = sorted(found, key=_rank, reverse=True)
    plans = list(dict.fromkeys(one.plan for one in ranked if one.plan is not None))
    if plans:
        return plans
    default = Plan.objects.default()
    return [] if default is None else [default]


def active_plan(owner: Any) -> Plan | None:
    """Return the plan that ``owner`` has now.

    Of several it is the most expensive by the day, then the newest; without any it is the default plan.
    """
    return next(iter(valid_plans(owner)), None)


def has_plan(owner: Any, *slugs: str) -> bool:
    """Return whether ``owner`` has one of the plans named by their keys; any subscription will do if none is named.

    A second plan in the same subscription counts, and so does an add-on that is named. What a plan charges by use,
    beside another plan, does not make that plan theirs.
    """
    valid = subscriptions_for(owner).valid()
    if not slugs:
        return valid.exists()
    is_charged = Q(items__kind=SubscriptionItemKind.PLAN) | Q(items__plan__is_add_on=True)
    is_named = Q(plan__slug__in=slugs) | (Q(items__plan__slug__in=slugs) & is_charged)
    return valid.filter(is_named).exists() or any(plan.slug in slugs for plan in valid_plans(owner))


def _rank(subscription: Any) -> Any:
    return plan_rank(
        is_metered=subscription.plan_is_metered,
        amount=subscription.plan_amount,
        interval=subscription.plan_interval,
        interval_count=subscription.plan_interval_count,
        quantity=subscription.plan_quantity,
        subscription_pk=subscription.pk,
        item_id=subscription.item_id,
    )
