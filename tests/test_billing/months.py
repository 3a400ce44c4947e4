"""Stories of subscriptions at Stripe of which no event has arrived yet, and the state that they must lead to."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import F

from django_stripe_gateway.models import Customer, Invoice, Subscription
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost

State = tuple[Any, ...]


def a_month_with_a_failure(host: SubscriptionHost) -> tuple[Subscription, State]:
    """Subscribe, pay, renew, fail to renew and recover; none of it is delivered."""
    made = host.subscribe()
    subscription = Subscription.objects.get(provider_id=made["subscription_id"])
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    host.fake.advance(days=32)
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=31)
    host.change_card(subscription, "pm_card_visa")
    host.fake.advance(days=4)
    return subscription, state_at_stripe(host, subscription)


def let_it_be_over(host: SubscriptionHost) -> int:
    """Move what was written until now into the past by as much as time was moved on at Stripe.

    Returns:
        Seconds by which Stripe's events are to be moved, so that both clocks agree and a story ends now.
    """
    offset = host.fake.state.now() - int(time.time())
    for model in (Subscription, Invoice, Customer):
        earlier = {name: F(name) - timedelta(seconds=offset) for name in ("fetched_at", "provider_time")}
        model._default_manager.update(**earlier)
    return -offset


def moved(event: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return an event that has come about earlier or later."""
    return event | {"created": event["created"] + seconds}


def state_at_stripe(host: SubscriptionHost, subscription: Subscription) -> State:
    """Return what Stripe says of a subscription and its invoices."""
    found = host.fake.get(subscription.provider_id)
    invoices = sorted((invoice["id"], invoice["status"], invoice["total"]) for invoice in host.fake.all("invoice"))
    return found["status"], found["cancel_at_period_end"], found["latest_invoice"], invoices


def state_of(subscription: Subscription) -> State:
    """Return the same of our rows."""
    subscription.refresh_from_db()
    rows = Invoice.objects.filter(subscription=subscription)
    invoices = sorted((row.provider_id, row.status, int(row.total * 100)) for row in rows)
    return subscription.status, subscription.cancel_at_period_end, subscription.latest_invoice_id, invoices


def announced_once(signals: SignalRecorder) -> Counter[str]:
    """Count the signals of subscriptions, each of which may be sent once only about each invoice and coming renewal."""
    counts = Counter(
        (name, getattr(values.get("invoice"), "provider_id", "") or values.get("renews_at"))
        for name, values in signals.sent
        if name.startswith("subscription_")
    )
    assert max(counts.values(), default=1) == 1, counts
    return Counter(name for name, _invoice in counts)
