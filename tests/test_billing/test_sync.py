"""Ask the provider how a subscription stands, from a host's code."""

from __future__ import annotations

import pytest

from django_stripe_gateway.models import Subscription
from django_stripe_gateway.subscriptions import sync_subscription
from tests.billing_factories import make_subscription
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def test_sync__brings_what_no_event_has_brought(either_host: SubscriptionHost) -> None:
    host = either_host
    made = host.subscribe()
    subscription = Subscription.objects.get()
    waiting = sync_subscription(subscription=subscription)
    assert (waiting.status, waiting.client_secret) == ("incomplete", made["client_secret"])
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    paid = sync_subscription(subscription=subscription)
    assert (paid.pk, paid.status, paid.client_secret) == (subscription.pk, "active", "")
    assert paid.invoices.get().status == "paid"


def test_sync__not_known_at_the_provider(host: SubscriptionHost) -> None:
    unstarted = make_subscription(provider_id=None, status="starting")
    asked = len(host.fake.requests)
    assert sync_subscription(subscription=unstarted) is unstarted
    assert len(host.fake.requests) == asked
