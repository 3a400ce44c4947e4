"""What a customer will be charged without asking for it again: once it is paid for, or from the next period on.

The provider makes the change by itself then, and asks nobody here. So what is to come counts like what is charged.
"""

from __future__ import annotations

from collections.abc import Iterator

from django_stripe_gateway.models import Subscription
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet


def prices_to_come(subscriptions: SubscriptionQuerySet) -> Iterator[tuple[Subscription, str, str]]:
    """Yield what some subscriptions will be charged: each with the item's id and the price's, both the provider's."""
    for subscription in subscriptions.not_ended():
        for item_id, price_id in subscription.pending_prices.items():
            yield subscription, item_id, price_id
        if subscription.scheduled_price_id:
            yield subscription, subscription.item_id, subscription.scheduled_price_id
