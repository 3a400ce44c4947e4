"""Who is charged on though nobody owns them any more, and what came about those who were erased."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Prefetch

from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.models.customers import CustomerQuerySet
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.leaving.close import name_of
from django_stripe_gateway.services.leaving.events import redact_late_events
from django_stripe_gateway.services.operations.reconcile import Reconciled
from django_stripe_gateway.services.transactions import payments_database


def orphaned_payers() -> CustomerQuerySet:
    """Return the customers who are charged on though their owner is gone."""
    return Customer.objects.using(payments_database()).orphaned().order_by("pk")


def find_orphans() -> Iterator[Reconciled]:
    """Yield every customer who is charged on though their owner is gone; the provider is not asked."""
    running = Prefetch("subscriptions", queryset=Subscription.objects.not_ended())
    for customer in in_batches(orphaned_payers().prefetch_related(running)):
        named = ", ".join(
            f"{name_of(subscription)} is {subscription.status}" for subscription in customer.subscriptions.all()
        )
        yield Reconciled(f"customer {customer}", "orphaned", f"{named}, and its owner is gone")


def reconcile_erased() -> Iterator[Reconciled]:
    """Take what is personal out of events that came after their customer was erased."""
    if count := redact_late_events():
        yield Reconciled("events of erased customers", "changed", f"{count} emptied")
