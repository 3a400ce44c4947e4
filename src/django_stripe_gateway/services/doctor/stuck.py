"""What waits for something that does not come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from django_stripe_gateway.models import (
    BillingOperation,
    CatalogueOperation,
    Customer,
    PaymentOperation,
    Subscription,
    WebhookEvent,
)
from django_stripe_gateway.services.doctor.findings import Finding
from django_stripe_gateway.services.transactions import payments_database

# ``reconcile`` runs every few minutes: what is older was not settled by it.
LONG = timedelta(hours=1)
OPERATIONS: dict[str, type[Any]] = {
    "payment operations": PaymentOperation,
    "billing operations": BillingOperation,
    "catalogue operations": CatalogueOperation,
}


def pending_operations(offline: bool) -> Iterator[Finding]:
    """Count the operations whose outcome nobody has heard of for long."""
    for name, table in OPERATIONS.items():
        rows = table.objects.using(payments_database()).abandoned(timezone.now() - LONG)
        for kind, count in rows.order_by().values_list("kind").annotate(count=Count("pk")).order_by("kind"):
            remedy = f"manage.py reconcile; then admin, {name}: “Give up on selected pending operations”"
            yield Finding(name, count, f"{kind}: no answer for more than an hour", remedy)


def webhook_events(offline: bool) -> Iterator[Finding]:
    """Count the events that were not handled."""
    stats = WebhookEvent.objects.using(payments_database()).stats()
    if stats.failed:
        yield Finding("webhook events", stats.failed, "failed: they are tried again", "manage.py process_webhooks")
    if stats.dead:
        remedy = "admin, webhook events: read the error; manage.py replay_webhooks --state dead"
        yield Finding("webhook events", stats.dead, "dead: given up after too many attempts", remedy)
    if stats.unmatched:
        why = "unmatched: about what this database does not know"
        remedy = "manage.py replay_webhooks --state unmatched, if it is known by now"
        yield Finding("webhook events", stats.unmatched, why, remedy, is_problem=False)


def lost_subscriptions(offline: bool) -> Iterator[Finding]:
    """Count the subscriptions that their provider does not know any more."""
    rows = Subscription.objects.using(payments_database()).not_ended().of_configured_account()
    lost, missing = rows.filter(lost__isnull=False).count(), rows.filter(lost=None, missing_since__isnull=False).count()
    if lost:
        remedy = "admin, subscriptions: select them, “Give up on selected subscriptions”"
        yield Finding("subscriptions", lost, "unknown at the provider: they entitle nobody", remedy)
    if missing:
        why = "the provider has said once that it does not know them"
        yield Finding("subscriptions", missing, why, "admin, subscriptions: “Ask the provider”, an hour later")


def unknown_prices(offline: bool) -> Iterator[Finding]:
    """Count the running subscriptions of which nobody knows what plan they are."""
    count = Subscription.objects.using(payments_database()).valid().filter(plan=None).count()
    if count:
        yield Finding("subscriptions", count, "their price is no plan's here", "manage.py sync_plans --pull")


def missing_owners(offline: bool) -> Iterator[Finding]:
    """Count the customers that are charged though their owner is gone."""
    running = Subscription.objects.using(payments_database()).valid().values("customer")
    count = Customer.objects.using(payments_database()).filter(owner=None, pk__in=running).count()
    if count:
        yield Finding("customers", count, "their owner is gone, and they are charged", "admin, subscriptions: cancel")
