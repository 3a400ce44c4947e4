"""Which of a provider's objects of billing are known here."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Model

from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.arrivals import finds_objects
from django_stripe_gateway.services.transactions import payments_database

# How Stripe's and localstripe's ids begin: an id of another kind costs no query.
CUSTOMER, SUBSCRIPTION, PAGE = "cus_", "sub_", "cs_"


@finds_objects
def find_customers(object_ids: Collection[str]) -> Iterable[str]:
    """Return the ids that customers hold."""
    return _held(Customer, "customer_id", CUSTOMER, object_ids)


@finds_objects
def find_subscriptions(object_ids: Collection[str]) -> Iterable[str]:
    """Return the ids that subscriptions hold: one indexed column a query."""
    subscriptions = _held(Subscription, "subscription_id", SUBSCRIPTION, object_ids)
    return [*subscriptions, *_held(Subscription, "checkout_id", PAGE, object_ids)]


def _held(model: type[Model], column: str, prefix: str, object_ids: Collection[str]) -> list[str]:
    wanted = [object_id for object_id in object_ids if object_id.startswith(prefix)]
    if not wanted:
        return []
    rows = model._default_manager.using(payments_database()).order_by()
    return list(rows.filter(**{f"{column}__in": wanted}).values_list(column, flat=True))
