"""How the difference is charged when a change comes in the middle of a period."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.billing import INVOICE_INCREASES
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.models.subscription_items import daily_amount
from django_stripe_gateway.services.transactions import payments_database

PRORATIONS = ("create_prorations", "always_invoice", "none")


def proration_of(
    proration: str,
    subscription: Subscription,
    *,
    item_id: str = "",
    pricing: PlanPricing | None = None,
    quantity: int | None = None,
    is_removed: bool = False,
) -> str:
    """Return how the difference is charged, by the setting where nothing is said.

    What was used of a price that is charged by use is charged, whatever is asked for: "none" would forgive it
    (https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup#update-prices-mid-cycle).

    Args:
        item_id: which item changes, by the provider's id; empty for a new one.
        pricing: its next price; ``None`` keeps it.
        quantity: its next quantity; ``None`` keeps it.

    Raises:
        InvalidInput: there is no such way.
    """
    asked = proration or gateway_settings.proration_behavior
    if asked not in (*PRORATIONS, INVOICE_INCREASES) or proration == INVOICE_INCREASES:
        raise InvalidInput(f"The proration is one of {', '.join(PRORATIONS)}.", field="proration")
    items = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
    item = items.filter(provider_id=item_id).first() if item_id else None
    if asked == INVOICE_INCREASES:
        is_less = is_removed or (item is not None and _costs_no_more(item, pricing, quantity))
        can_invoice = get_billing_gateway(subscription.variant).supports_change_invoices
        asked = "always_invoice" if can_invoice and not is_less else "create_prorations"
    changes_price = pricing is not None or is_removed
    is_by_use = changes_price and item is not None and item.is_metered
    return "create_prorations" if is_by_use and asked == "none" else asked


def _costs_no_more(item: SubscriptionItem, pricing: PlanPricing | None, quantity: int | None) -> bool:
    """Return whether an item costs as much or less a day after a change; ``False`` where that is not known."""
    after = pricing or item
    if item.is_metered or item.amount is None or not item.interval or after.amount is None:
        # By use, in tiers, or at a price of which nobody here has heard more.
        return False
    before, quantity = (
        daily_amount(item.amount, item.interval, item.interval_count, item.quantity),
        quantity or item.quantity,
    )
    return daily_amount(after.amount, after.interval, after.interval_count, quantity) <= before


def costs_no_less(
    subscription: Subscription,
    item_id: str,
    pricing: PlanPricing | None,
    quantity: int | None,
    left: Sequence[SubscriptionItem] = (),
) -> bool:
    """Return whether a change certainly costs as much or more in each second that is left of the running period.

    Another interval begins all periods anew, and so do the end of a trial and a price after a free one: what is left of
    the other items, too, is credited then. That is ``False``, and so are tiers, where more can cost less, what is
    counted by use, and two currencies.

    Args:
        item_id: which item changes, by the provider's id.
        pricing: its next price, and ``quantity``; ``None`` keeps them.
        left: what ends with the change.
    """
    items = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
    item = items.filter(provider_id=item_id).first() if item_id else None
    if item is None or subscription.on_trial:
        return False
    after = pricing or item
    # What was used is charged whenever it ends.
    before = [item, *(one for one in left if not one.is_metered)]
    if after.amount is None or after.is_metered or item.is_metered or not item.interval or not item.currency:
        return False
    spans = {(one.currency, one.interval, one.interval_count) for one in (*before, after)}
    amounts = [one.amount * one.quantity for one in before if one.amount is not None]
    cost = sum(amounts, Decimal(0))
    is_known = len(amounts) == len(before) and len(spans) == 1
    return is_known and 0 < cost <= after.amount * (quantity or item.quantity)
