"""Subscriptions and their schedules as they are now, here and at Stripe."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.models import Subscription
from tests.test_billing.host import SubscriptionHost

ROWS = Subscription.objects.select_related("customer", "plan", "pricing")


def now(subscription: Subscription) -> Subscription:
    """Return a subscription as it is stored now."""
    return ROWS.get(pk=subscription.pk)


def only_one() -> Subscription:
    """Return the only subscription that there is."""
    return ROWS.get()


def planned(subscription: Subscription) -> tuple[Any, int | None, bool]:
    """Return what a subscription will be charged, and whether that is from the end of its period on."""
    row = now(subscription)
    return row.scheduled_pricing, row.scheduled_quantity, row.scheduled_change_at == row.current_period_end


def running_schedules(host: SubscriptionHost) -> list[str]:
    """Return the ids of the schedules that move a subscription at Stripe."""
    return [one["id"] for one in host.fake.all("subscription_schedule") if one["status"] == "active"]
