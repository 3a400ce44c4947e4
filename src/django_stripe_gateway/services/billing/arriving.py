"""Which of a provider's objects of billing are known here."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.arrivals import finds_objects
from django_stripe_gateway.services.transactions import payments_database


@finds_objects
def find_customers(object_ids: Collection[str]) -> Iterable[str]:
    """Return the ids that customers hold."""
    rows = Customer.objects.using(payments_database()).filter(customer_id__in=object_ids)
    return [found for found in rows.values_list("customer_id", flat=True) if found]


@finds_objects
def find_subscriptions(object_ids: Collection[str]) -> Iterable[str]:
    """Return the ids that subscriptions hold: one indexed column a query."""
    rows = Subscription.objects.using(payments_database()).order_by()
    subscriptions = rows.filter(subscription_id__in=object_ids).values_list("subscription_id", flat=True)
    pages = rows.filter(checkout_id__in=object_ids).values_list("checkout_id", flat=True)
    return [found for found in (*subscriptions, *pages) if found]
