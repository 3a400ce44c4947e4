"""What happens at Stripe at a moment that nobody could foresee, and of which no event comes: ``reconcile`` finds it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.gateways.catalogue_values import ProductRequest
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.subscriptions.reconcile import reconcile_subscriptions
from tests.fake_stripe import invoicing
from tests.fake_stripe.periods import DAY
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)
FAILS = "pm_card_chargeCustomerFail"
HOUR = timedelta(hours=1)


def be_silent_for(**units: float) -> None:
    """Let it be so long ago that anything was heard of what is known here."""
    for rows in (Subscription.objects, Invoice.objects):
        for row in rows.all():
            for name in ("provider_time", "fetched_at"):
                moment = getattr(row, name)
                setattr(row, name, moment and min(moment, timezone.now() - timedelta(**units)))
            row.save()


def outcomes() -> list[str]:
    return [found.outcome for found in reconcile_subscriptions(older_than=HOUR)]


def asked(host: SubscriptionHost) -> list[str]:
    """Return what Stripe is asked about by one more run."""
    host.fake.forget_requests()
    list(reconcile_subscriptions(older_than=HOUR))
    paths = {request.path for request in host.fake.requests}
    return sorted(path.split("/")[2] for path in paths if path.count("/") == 3)


def late(host: SubscriptionHost, *, days: int = 32, ago: int = 45) -> Subscription:
    """Return a subscription, begun some days ago, whose renewal could not be charged."""
    host.fake.state.ahead -= ago * DAY
    mine = host.subscribed()
    host.change_card(mine, FAILS)
    host.deliver_new()
    host.fake.advance(days=days)
    host.deliver_new()
    mine.refresh_from_db()
    return mine


def test_past_due__paid(either_host: SubscriptionHost) -> None:
    mine = late(either_host)
    assert mine.status == "past_due"
    either_host.fake.customer_pays(mine.provider_id, "pm_card_visa")
    assert outcomes() == []
    be_silent_for(hours=2)
    assert outcomes() == ["changed"]
    mine.refresh_from_db()
    assert (mine.status, mine.is_valid) == ("active", True)
    assert not Invoice.objects.open().exists()


def test_past_due__ended(either_host: SubscriptionHost) -> None:
    """Its customer can subscribe again once the last period is paid."""
    host = either_host
    mine = late(host, ago=75)
    host.fake.advance(days=38)
    assert host.fake.get(mine.provider_id)["status"] == "canceled"
    be_silent_for(days=2)
    assert outcomes() == ["changed"]
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).json()["code"] == "open_invoice"
    for invoice in [one for one in host.fake.all("invoice") if one["status"] == "open"]:
        host.fake.act(invoice["id"], invoicing.paid)
    # No event has told of it; the provider is asked.
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 201


def test_unpaid__paid(either_host: SubscriptionHost) -> None:
    host = either_host
    host.fake.after_retries = "unpaid"
    mine = late(host, days=60, ago=80)
    assert mine.status == "unpaid"
    host.fake.customer_pays(mine.provider_id, "pm_card_visa")
    be_silent_for(days=2)
    list(reconcile_subscriptions(older_than=HOUR))
    mine.refresh_from_db()
    assert mine.status == host.fake.get(mine.provider_id)["status"] != "unpaid"


def test_change_that_waits__paid(either_host: SubscriptionHost) -> None:
    host = either_host
    mine = host.subscribed()
    host.change_card(mine, FAILS)
    host.deliver_new()
    v1: Any = get_billing_gateway("stripe").v1
    item = {"id": mine.item_id, "price": host.premium.stripe_price_id}
    ways = {"payment_behavior": "pending_if_incomplete", "proration_behavior": "always_invoice"}
    v1.subscriptions.update(mine.provider_id, {"items": [item], **ways})
    host.deliver_new()
    mine.refresh_from_db()
    assert (mine.has_pending_update, mine.plan) == (True, host.basic.plan)
    host.fake.customer_pays(mine.provider_id, "pm_card_visa")
    be_silent_for(hours=2)
    assert outcomes() == ["changed"]
    mine.refresh_from_db()
    assert (mine.has_pending_update, mine.plan) == (False, host.premium.plan)


def test_paused_trial__resumed(host: SubscriptionHost) -> None:
    mine = host.subscribed()
    Subscription.objects.update(status="paused")
    be_silent_for(hours=2)
    assert outcomes() == []
    be_silent_for(days=2)
    assert outcomes() == ["changed"]
    mine.refresh_from_db()
    assert mine.status == "active"


def test_end_and_pause__whose_moment_has_passed(host: SubscriptionHost) -> None:
    mine = host.subscribed()
    for moment in ("cancel_at", "pause_resumes_at"):
        Subscription.objects.update(**{moment: timezone.now() - 2 * HOUR, "pause_behavior": "void"})
        be_silent_for(hours=2)
        assert outcomes() == ["changed"]
        mine.refresh_from_db()
        assert (getattr(mine, moment), mine.pause_behavior) == (None, "")


def test_open_invoice__paid(either_host: SubscriptionHost) -> None:
    """Of a subscription that goes on: it is sent, and due later."""
    host = either_host
    mine = late(host)
    open_one = Invoice.objects.open().get()
    host.fake.customer_pays(mine.provider_id, "pm_card_visa")
    # What was heard of the subscription says nothing of its earlier invoices.
    Subscription.objects.update(status="active", past_due_since=None, fetched_at=timezone.now())
    be_silent_for(hours=20)
    assert outcomes() == []
    be_silent_for(days=2)
    assert outcomes() == ["changed"]
    open_one.refresh_from_db()
    assert open_one.status == "paid"


def test_draft__finalised_or_deleted(host: SubscriptionHost) -> None:
    host.subscribed()
    invoice = Invoice.objects.get()
    Invoice.objects.update(status="draft")
    be_silent_for(days=2)
    assert outcomes() == ["changed"]
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    Invoice.objects.update(status="draft", provider_id="in_deleted")
    be_silent_for(days=2)
    assert (outcomes(), outcomes()) == (["unchanged"], [])
    Invoice.objects.update(status="open")
    be_silent_for(days=2)
    assert (outcomes(), outcomes()) == (["unclear"], ["unclear"])


def test_how_often(either_host: SubscriptionHost) -> None:
    """Each hour what has been late for less than a month, then each day; its invoice each day, and then each month."""
    host = either_host
    host.fake.after_retries = "past_due"
    late(host)
    be_silent_for(hours=2)
    # The invoice says whether a payment is under way.
    assert asked(host) == ["invoices", "subscriptions"]
    assert asked(host) == []
    be_silent_for(days=2)
    # The invoice comes along with its subscription.
    assert asked(host) == ["invoices", "subscriptions"]
    Subscription.objects.update(past_due_since=timezone.now() - timedelta(days=40))
    Invoice.objects.update(issued=timezone.now() - timedelta(days=40))
    be_silent_for(hours=20)
    assert asked(host) == []
    Subscription.objects.update(status="active", past_due_since=None)
    be_silent_for(days=20)
    assert asked(host) == []
    be_silent_for(days=40)
    assert asked(host) == ["invoices"]


def test_scheduled_price_that_nobody_knew(either_host: SubscriptionHost) -> None:
    """Which of two unknown prices will be the plan, only the schedule can tell once the catalogue knows one."""
    host = either_host
    mine = host.subscribed()
    gateway = get_billing_gateway("stripe")
    prices = []
    for name in ("Gold", "Silver"):
        product = gateway.create_product(ProductRequest(name), idempotency_key=name)
        prices.append(host.made_at_stripe(product.product_id, Decimal("99.00")))
    host.fake.schedule_subscription(mine.provider_id, [{"items": [{"price": price} for price in prices]}])
    host.deliver_new()
    mine.refresh_from_db()
    assert (mine.scheduled_change_at is not None, mine.scheduled_price_id) == (True, "")
    host.basic.plan.pricing.create(amount=99, currency="USD", interval="month", stripe_price_id=prices[0])
    be_silent_for(hours=20)
    assert outcomes() == []
    be_silent_for(days=2)
    outcomes()
    mine.refresh_from_db()
    assert mine.scheduled_price_id == prices[0]
