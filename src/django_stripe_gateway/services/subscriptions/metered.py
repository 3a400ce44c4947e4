"""That use is charged once: a customer has one metered price of each meter, in all subscriptions together.

A meter adds up by customer, and knows nothing of subscriptions: every price that looks at it charges all of its use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Q, QuerySet

from django_stripe_gateway.choices import PriceUsage, SubscriptionStatus
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import Customer, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.to_come import prices_to_come
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS


def check_charged_once(
    customer: Customer,
    price_ids: Iterable[str | None],
    *,
    instead_of: Collection[str] = (),
    changed: Subscription | None = None,
) -> None:
    """Raise ``WrongState`` if prices would charge a customer for use that another price charges, or one of themselves.

    Also one that waits for its payment, or that is scheduled.

    Args:
        customer: whose row is locked, unless this is asked again.
        price_ids: the provider's, of all that is to be charged; what no meter counts can be among them.
        instead_of: the provider's ids of the items that the prices replace, or that end with that.
        changed: a subscription whose plan changes: what waits or is scheduled in it is dropped then.
    """
    rows = _metered_prices(customer)
    asked = _among(rows, price_ids)
    if not asked:
        return
    items = SubscriptionItem.objects.using(payments_database()).filter(subscription__customer=customer)
    items = items.filter(subscription__lost=None)
    items = items.exclude(subscription__status__in=ENDED_SUBSCRIPTIONS).exclude(provider_id__in=instead_of)
    subscriptions = Subscription.objects.using(payments_database()).reachable().filter(customer=customer)
    if changed is not None:
        subscriptions = subscriptions.exclude(pk=changed.pk)
    to_come = {price_id for _, item_id, price_id in prices_to_come(subscriptions) if item_id not in instead_of}
    charged = list(rows.filter(Q(pk__in=items.values("pricing_id")) | Q(stripe_price_id__in=to_come)))
    for pricing in asked:
        if any(_counts_the_same(pricing, other) for other in charged):
            sentence = (
                f"What is used ({pricing.metric}) is charged at another price already, or will be. Change that item, "
                "or remove it, or take back what is scheduled."
            )
            raise WrongState(sentence, code="already_metered")
        charged.append(pricing)


def check_charged_once_changed(
    subscription: Subscription, price_ids: Iterable[str | None], left_ids: Iterable[str]
) -> None:
    """Raise as ``check_charged_once`` does, for prices that come into a subscription with a change of its plan.

    Args:
        left_ids: the provider's, of the items that end with the old plan, beside its own.
    """
    ended = [subscription.item_id, *left_ids]
    check_charged_once(subscription.customer, price_ids, instead_of=ended, changed=subscription)


def unpaid_with_same_use(customer: Customer, price_ids: Iterable[str]) -> list[Subscription]:
    """Return a customer's subscriptions that nobody has paid for yet, and that would charge the use of some prices."""
    asked = _among(_metered_prices(customer), price_ids)
    if not asked:
        return []
    rows = Subscription.objects.using(payments_database()).filter(customer=customer)
    unpaid = rows.filter(status=SubscriptionStatus.INCOMPLETE).prefetch_related("items__pricing").order_by("-pk")
    return [
        subscription
        for subscription in unpaid
        if any(
            item.pricing is not None and any(_counts_the_same(item.pricing, pricing) for pricing in asked)
            for item in subscription.items.all()
        )
    ]


def _metered_prices(customer: Customer) -> QuerySet[PlanPricing]:
    rows = PlanPricing.objects.using(payments_database()).filter(usage_type=PriceUsage.METERED)
    return rows.filter(variant=customer.variant)


def _among(rows: QuerySet[PlanPricing], price_ids: Iterable[str | None]) -> list[PlanPricing]:
    return list(rows.filter(stripe_price_id__in=[price_id for price_id in price_ids if price_id]))


def _counts_the_same(one: PlanPricing, other: PlanPricing) -> bool:
    """Return whether two prices look at one meter; where ours is not known, by what they count."""
    if one.meter_id and other.meter_id:
        return one.meter_id == other.meter_id
    return bool(one.metric) and one.metric == other.metric
