"""Subscriptions with all their items, of which Stripe shows the first ten."""

from __future__ import annotations

from dataclasses import replace

from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.stripe.billing_objects import subscription_snapshot
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls
from django_stripe_gateway.gateways.stripe.fields import Object
from django_stripe_gateway.gateways.stripe.item_objects import item_snapshot

#: What Stripe has answered, and the subscription as it came.
Answer = tuple[SubscriptionSnapshot, Object]


class StripeWholeSubscriptions(StripeAccountCalls):
    """Lists the items that an answer leaves out: what it does not show has not gone."""

    def _whole(self, answer: Answer) -> SubscriptionSnapshot:
        found, obj = answer
        if found.has_all_items:
            return found
        items = self._list(
            lambda params: self.v1.subscription_items.list(params=params),
            _readable_item,
            subscription=found.subscription_id,
        )
        # What an item lacks the subscription says: its currency, and its period.
        whole = subscription_snapshot({**obj, "items": {"data": items}})
        return replace(whole, schedule_id=found.schedule_id, schedule=found.schedule)


def subscription_answer(obj: Object) -> Answer:
    """Return the snapshot of a Subscription, and the object, for what it does not show."""
    return subscription_snapshot(obj), obj


def _readable_item(obj: Object) -> Object:
    """Return an item as it came, if it can be read."""
    item_snapshot(obj, {})
    return obj
