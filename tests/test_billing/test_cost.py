"""What pages and webhooks of subscriptions cost: statements, and calls to Stripe, counted."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from django_stripe_gateway.models import Subscription
from tests.billing_factories import make_customer, make_plan, make_pricing, make_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.months import let_it_be_over, moved
from tests.test_webhooks.support import only
from tests.test_webhooks.test_cost import counted

pytestmark = pytest.mark.django_db(transaction=True)


def test_plans(host: SubscriptionHost) -> None:
    for number in range(7):
        plan = make_plan(f"plan-{number}")
        for amount in (1, 2):
            make_pricing(plan, amount=Decimal(amount))
        plan.limits.create(metric="calls", limit=5)
    with counted() as cost:
        plans = host.get("plans").json()["results"]
    assert len(plans) == 9
    assert len(cost.statements) == 3


def test_lists(host: SubscriptionHost) -> None:
    host.subscribed()
    customer = make_customer(host.user, variant="other")
    for number in range(5):
        plan = make_plan(f"plan-{number}")
        plan.limits.create(metric="calls", limit=5)
        make_subscription(customer, pricing=make_pricing(plan))
    with counted() as cost:
        assert len(host.get("status").json()["results"]) == 6
    # The subscriptions with their plans, the plans' limits, and the items.
    assert len(cost.statements) == 3
    other = make_pricing(make_plan("scheduled"))
    Subscription.objects.update(scheduled_change_at=timezone.now(), scheduled_pricing=other, scheduled_quantity=2)
    with counted() as cost:
        shown = host.get("status").json()["results"]
    assert {one["scheduled_change"]["plan"]["slug"] for one in shown} == {"scheduled"}
    # The limits of what comes, too.
    assert len(cost.statements) == 4
    with counted() as cost:
        assert len(host.get("invoices").json()["results"]) == 1
    # The invoices, and of all of them the refunds, the credit notes and the disputes.
    assert len(cost.statements) == 4


def test_failed_renewal(host: SubscriptionHost) -> None:
    """The event says that the subscription was active until then: nobody has to be asked."""
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.deliver_new()
    host.fake.advance(days=31, hours=2)
    offset = let_it_be_over(host)
    events = [moved(event, offset) for event in host.new_events()]
    host.fake.forget_requests()
    for number, event in enumerate(only(events, "customer.subscription.updated", "invoice.payment_failed")):
        assert host.deliver([moved(event, number)]) == ["processed"]
    assert host.fake.requests == []
    subscription.refresh_from_db()
    assert subscription.status == "past_due"


def test_renewal(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.fake.advance(days=32)
    offset = let_it_be_over(host)
    events = [moved(event, offset) for event in host.new_events()]
    spent = {}
    host.fake.forget_requests()
    for number, event in enumerate(only(events, "customer.subscription.updated", "invoice.created", "invoice.paid")):
        # Each in a second of its own, and later than all that is known.
        with counted() as cost:
            assert host.deliver([moved(event, number)]) == ["processed"]
        spent[event["type"]] = len(cost.statements)
    assert host.fake.requests == []
    subscription.refresh_from_db()
    assert subscription.invoices.count() == 2
    # A new invoice also asks for what came before it: credit notes, refunds, disputes.
    assert spent == {"customer.subscription.updated": 9, "invoice.created": 9, "invoice.paid": 9}


def test_change_as_it_was_previewed(host: SubscriptionHost) -> None:
    """Whether it is as it was shown, and in which billing mode it is, says one answer."""
    subscription = host.subscribed()
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id}
    body["preview_token"] = host.post("change", body | {"preview": True}).json()["preview_token"]
    host.fake.forget_requests()
    assert host.post("change", body).status_code == 200
    asked = [record.path for record in host.fake.requests if record.method == "GET"]
    assert asked.count(f"/v1/subscriptions/{subscription.provider_id}") == 1
