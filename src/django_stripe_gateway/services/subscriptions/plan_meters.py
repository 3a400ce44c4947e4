"""What a plan charges by use: it comes with the plan, so that nobody uses for nothing what others pay for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from django_stripe_gateway.choices import PriceUsage
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.subscriptions.metered import check_charged_once_changed
from django_stripe_gateway.services.subscriptions.prices import named_choices, preferred
from django_stripe_gateway.services.transactions import payments_database


def prices_by_use(pricing: PlanPricing, beside: Iterable[PlanPricing] = ()) -> list[PlanPricing]:
    """Return the metered prices that come with a price of a plan: one of each metric that the plan charges by use.

    It is in the same currency; of several the one that is charged as often, or else the default. What customers add
    themselves, and what is not public, comes with nothing.

    Args:
        beside: what was asked for already; the metrics that it charges are left out.

    Raises:
        InvalidInput: nothing says which of several prices of a metric it is ("ambiguous_pricing").
    """
    rows = PlanPricing.objects.using(payments_database()).on_sale().select_related("plan")
    rows = rows.filter(plan=pricing.plan_id, variant=pricing.variant, currency=pricing.currency)
    rows = rows.filter(usage_type=PriceUsage.METERED, may_be_added=False)
    charged = {one.metric for one in (pricing, *beside) if one.is_metered}
    by_metric: dict[str, list[PlanPricing]] = defaultdict(list)
    for row in rows.exclude(metric__in=charged).order_by("metric", "pk"):
        by_metric[row.metric].append(row)
    return [_only(metric, found, pricing) for metric, found in by_metric.items()]


def with_next_plan(
    subscription: Subscription, pricing: PlanPricing | None, *, left_ids: Collection[str] = ()
) -> list[str]:
    """Return the provider's ids of the metered prices that come with another plan.

    What the subscription is charged for the same use already stays instead.

    Args:
        pricing: to which a subscription changes, in place of its plan's; ``None`` to keep that.
        left_ids: the provider's, of the items that end with the old plan.

    Raises:
        InvalidInput: nothing says which of several prices of a metric it is ("ambiguous_pricing").
        WrongState: another subscription charges that use ("already_metered"): it may end, and nothing would then.
    """
    if pricing is None or pricing.plan_id == subscription.plan_id:
        return []
    if not billing_gateway_of(subscription).supports_items:
        return []
    rows = subscription.items.using(payments_database()).filter(is_metered=True)
    items = rows.exclude(provider_id__in=[subscription.item_id, *left_ids]).select_related("pricing")
    beside = [item.pricing for item in items if item.pricing is not None]
    price_ids = [one.stripe_price_id or "" for one in prices_by_use(pricing, beside)]
    check_charged_once_changed(subscription, price_ids, left_ids)
    return price_ids


def _only(metric: str, found: list[PlanPricing], pricing: PlanPricing) -> PlanPricing:
    cycle = (pricing.interval, pricing.interval_count)
    left = preferred(found, lambda one: (one.interval, one.interval_count) == cycle)
    left = preferred(left, lambda one: one.is_default)
    if len(left) > 1:
        sentence = f"This plan charges {metric} at several prices. Name one of them: {named_choices(left)}."
        raise InvalidInput(sentence, code="ambiguous_pricing", field="add_ons")
    return left[0]
