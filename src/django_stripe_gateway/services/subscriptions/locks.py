"""The rows that billing locks, always in this order: customer, subscription, invoice."""

from __future__ import annotations

from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.transactions import payments_database


def lock_customer(customer_pk: int) -> Customer:
    """Return the customer, its row locked until the transaction ends."""
    return Customer.objects.using(payments_database()).select_for_update().get(pk=customer_pk)


def lock_subscription(subscription_pk: int) -> Subscription:
    """Return the subscription, its row locked until the transaction ends."""
    return Subscription.objects.using(payments_database()).select_for_update().get(pk=subscription_pk)
