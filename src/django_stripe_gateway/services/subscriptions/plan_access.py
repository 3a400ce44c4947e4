"""What an owner has subscribed to, and which of it is their plan.

One rule says which plan counts, here and in ``me/limits``: of the plans in valid subscriptions the dearest by the day,
then the newest (``plan_rank``); without any, the default plan. An add-on is never somebody's plan.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from django_stripe_gateway.choices import SubscriptionItemKind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import Plan, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.models.subscription_items import plan_rank
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet
from django_stripe_gateway.services.subscriptions.to_come import prices_to_come
from django_stripe_gateway.services.transactions import payments_database


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


def check_has_no_other(customer_pk: int, plan_pk: int, *, than: Subscription | None = None) -> None:
    """Raise ``WrongState`` if a customer has a subscription to a plan already, unless the host allows two.

    Args:
        than: a subscription that does not count, as its own plan or its next one is about to be this plan. That it
            is charged the plan beside its own does count, whatever the host allows.
    """
    rows = Subscription.objects.using(payments_database()).filter(customer_id=customer_pk).not_ended()
    if than is not None:
        beside = SubscriptionItem.objects.using(payments_database()).filter(subscription=than, plan=plan_pk)
        beside = beside.filter(kind=SubscriptionItemKind.PLAN).exclude(provider_id=than.item_id)
        if than.plan_id != plan_pk and beside.exists():
            raise _already_subscribed()
        rows = rows.exclude(pk=than.pk)
    if gateway_settings.allow_duplicate_subscriptions:
        return
    # Also at a price that was negotiated, or beside another plan in one subscription.
    is_charged = Q(items__plan=plan_pk, items__kind=SubscriptionItemKind.PLAN)
    if rows.filter(Q(plan=plan_pk) | is_charged).exists() or _will_have(rows, plan_pk):
        raise _already_subscribed()


def _will_have(subscriptions: SubscriptionQuerySet, plan_pk: int) -> bool:
    """Return whether a plan will take the place of another; what it charges by use can stand beside any."""
    to_come = {price_id for one, item_id, price_id in prices_to_come(subscriptions) if item_id == one.item_id}
    rows = PlanPricing.objects.using(payments_database())
    return bool(to_come) and rows.filter(plan=plan_pk, stripe_price_id__in=to_come).exists()


def _already_subscribed() -> WrongState:
    return WrongState("There is a subscription to this plan already.", code="already_subscribed")
