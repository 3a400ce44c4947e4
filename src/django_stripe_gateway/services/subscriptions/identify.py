"""Look again what the items of subscriptions are, when the catalogue says something else than it did.

A pull brings prices that somebody has already, or will have by a change that is scheduled, and the seller makes an
add-on of a plan, or moves a price. The provider is not asked: it has nothing new to say.
"""

from __future__ import annotations

from copy import copy

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from django_stripe_gateway.choices import SubscriptionItemKind
from django_stripe_gateway.models import Customer, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.items import (
    FOUND,
    OF_PLAN,
    find_plans,
    follow_periods,
    main_item,
    name_kinds,
    take_plan,
)
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock


def identify_items(variant: str = "") -> int:
    """Let the items of subscriptions that are not over be what the catalogue says now.

    Call it when the catalogue has learned something; it is one query where nothing differs.

    Args:
        variant: of one account only.

    Returns:
        How many subscriptions have another plan, or another price, since, now or from their next period on.
    """
    differs = Q(items__in=_differing()) | Q(pk__in=_differing_later().values("pk"))
    rows = Subscription.objects.using(payments_database()).not_ended().filter(differs)
    pks = (rows.filter(variant=variant) if variant else rows).distinct().values_list("pk", "customer_id").order_by("pk")
    return sum(_identify(pk, customer_pk) for pk, customer_pk in list(pks))


def _differing() -> QuerySet[SubscriptionItem]:
    """Return the items that ``find_plans`` and ``name_kinds`` would say something else of; 0 stands for none."""
    sold = PlanPricing.objects.filter(variant=OuterRef("subscription__variant"))
    priced = sold.filter(stripe_price_id=OuterRef("price_id"))
    of_product = sold.filter(stripe_product_id=OuterRef("product_id")).exclude(stripe_product_id="")
    rows = SubscriptionItem.objects.using(payments_database()).annotate(
        sold_as=Coalesce(Subquery(priced.values("pk")[:1]), Value(0)),
        sold_by=Subquery(priced.values("plan")[:1]),
        first_plan=Subquery(of_product.order_by("plan_id").values("plan")[:1]),
        last_plan=Subquery(of_product.order_by("-plan_id").values("plan")[:1]),
    )
    # A product that several plans share names none of them.
    of_one_plan = Case(When(first_plan=F("last_plan"), then=F("first_plan")))
    rows = rows.annotate(
        named=Coalesce("sold_by", of_one_plan, Value(0)),
        had_price=Coalesce("pricing_id", Value(0)),
        had_plan=Coalesce("plan_id", Value(0)),
    )
    is_other = ~Q(had_price=F("sold_as")) | ~Q(had_plan=F("named"))
    is_add_on_now = Q(kind=SubscriptionItemKind.PLAN, plan__is_add_on=True)
    is_plan_now = Q(kind=SubscriptionItemKind.ADD_ON, plan__is_add_on=False)
    # What is charged by use is the plan where nothing else is.
    is_only_plan_now = Q(kind=SubscriptionItemKind.METERED, plan__is_add_on=False, subscription__plan=None)
    return rows.filter(is_other | is_add_on_now | is_plan_now | is_only_plan_now)


def _differing_later() -> QuerySet[Subscription]:
    """Return the subscriptions whose next price the catalogue knows as another one, or did not know."""
    sold = PlanPricing.objects.filter(variant=OuterRef("variant"), stripe_price_id=OuterRef("scheduled_price_id"))
    rows = Subscription.objects.using(payments_database()).exclude(scheduled_price_id="")
    known_as = Coalesce("scheduled_pricing_id", Value(0))
    sold_as = Coalesce(Subquery(sold.values("pk")[:1]), Value(0))
    return rows.annotate(known_as=known_as, sold_as=sold_as).exclude(known_as=F("sold_as"))


@retry_on_deadlock
def _identify(subscription_pk: int, customer_pk: int) -> bool:
    with money_transaction():
        # In the order in which everybody locks them.
        Customer.objects.using(payments_database()).select_for_update().get(pk=customer_pk)
        subscription = Subscription.objects.using(payments_database()).select_for_update().get(pk=subscription_pk)
        items = list(subscription.items.using(payments_database()).select_related("plan", "pricing"))
        before = copy(subscription)
        find_plans(subscription.variant, items)
        main = main_item(items, subscription.item_id)
        name_kinds(items, main)
        for item in items:
            item.save(using=payments_database(), update_fields=[*FOUND, "modified"])
        take_plan(subscription, main)
        follow_periods(subscription, before)
        subscription.scheduled_pricing = _scheduled_pricing(subscription)
        fields = [*OF_PLAN, "scheduled_pricing", "periods_since", "modified"]
        subscription.save(using=payments_database(), update_fields=fields)
        return _plan_of(subscription) != _plan_of(before)


def _scheduled_pricing(subscription: Subscription) -> PlanPricing | None:
    if not subscription.scheduled_price_id:
        return None
    sold = PlanPricing.objects.using(payments_database()).filter(variant=subscription.variant)
    return sold.filter(stripe_price_id=subscription.scheduled_price_id).first()


def _plan_of(subscription: Subscription) -> tuple[object, ...]:
    return subscription.plan_id, subscription.pricing_id, subscription.item_id, subscription.scheduled_pricing_id
