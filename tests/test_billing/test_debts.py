"""What was had is owed, whether anything was paid before or not, and whether its events came or not."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Invoice, PlanPricing, Subscription
from django_stripe_gateway.subscriptions import subscribe
from tests.billing_factories import make_plan
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.metered_host import MeteredHost, send

pytestmark = pytest.mark.django_db(transaction=True)

BAD, GOOD = "pm_card_chargeCustomerFail", "pm_card_visa"


def use(metered: MeteredHost, calls: int) -> None:
    metered.pass_time(seconds=60)
    usage.consume(metered.user, "calls", calls)
    metered.pass_time(seconds=60)
    send()


def cancelled(host: SubscriptionHost, found: Subscription) -> None:
    body = {"subscription_id": found.provider_id, "at_period_end": False}
    assert host.post("cancel", body).status_code == 200


@pytest.mark.parametrize("when", ["at once", "after a failed renewal", "with a code"])
def test_use(metered: MeteredHost, when: str) -> None:
    host, plan = metered.host, metered.host.basic.plan
    code = {}
    if when == "with a code":
        PlanPricing.objects.filter(pk=metered.calls.pk).update(may_be_added=False)
        host.fake.promotion_code(host.fake.coupon(percent_off=100, duration="once")["id"], "FREE")
        code = {"promotion_code": "FREE"}
    else:
        plan = make_plan("by-use")
        plan.limits.create(metric="calls", limit=None)
        PlanPricing.objects.filter(pk=metered.calls.pk).update(is_active=False)
        metered.sell(plan)
    made = host.post("subscribe", {"plan_id": plan.pk, **code})
    assert made.status_code == 201
    found = Subscription.objects.get(provider_id=made.json()["subscription_id"])
    host.deliver_new()
    use(metered, 1_000_000)
    if when == "after a failed renewal":
        metered.renew(found)
    cancelled(host, found)
    metered.pass_time(hours=2)
    owed = Invoice.objects.open().get(subscription=found)
    assert found.first_paid_at is None
    answer = host.post("subscribe", {"plan_id": plan.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
    assert owed.provider_id in answer.json()["detail"]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("heard", [True, False])
def test_start_that_never_began(host: SubscriptionHost, heard: bool) -> None:
    """Nobody has had anything of it."""
    made = host.subscribe(host.premium)
    host.fake.advance(hours=25)
    if heard:
        host.deliver_new()
    assert host.fake.get(made["subscription_id"])["status"] == "incomplete_expired"
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 201


@pytest.mark.usefixtures("clock")
def test_trial_that_nobody_paid_for(host: SubscriptionHost) -> None:
    """Nobody has had anything of what came after it."""
    PlanPricing.objects.filter(pk=host.premium.pk).update(trial_days=7)
    found = host.subscribed(host.premium)
    host.fake.customer_changes_card(host.customer.provider_id, BAD)
    host.fake.advance(days=9)
    host.deliver_new()
    cancelled(host, found)
    host.deliver_new()
    assert Invoice.objects.open().filter(subscription=found).exists()
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 201


@pytest.mark.usefixtures("clock")
def test_invoice_that_its_provider_does_not_know(host: SubscriptionHost) -> None:
    """Nobody can pay it."""
    found = host.subscribed(host.premium)
    invoice = renewed_unheard(host, found)
    host.deliver_new()
    cancelled(host, found)
    host.deliver_new()
    assert Invoice.objects.open().filter(provider_id=invoice).update(provider_id="in_of_deleted_test_data") == 1
    host.v1.invoices.void_invoice(invoice)
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 201


@pytest.mark.usefixtures("clock")
def test_start_that_was_sent_to_be_paid_later(host: SubscriptionHost) -> None:
    """It began at once."""
    plan = host.premium.plan
    found = subscribe(owner=host.user, plan=plan, collection_method="send_invoice", days_until_due=1)
    assert (found.status, found.first_paid_at) == ("active", None)
    host.fake.advance(days=3)
    host.deliver_new()
    cancelled(host, found)
    host.deliver_new()
    answer = host.post("subscribe", {"plan_id": host.basic.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")


def renewed_unheard(host: SubscriptionHost, found: Subscription) -> str:
    host.change_card(found, BAD)
    host.deliver_new()
    host.fake.advance_to(host.fake.get(found.provider_id)["items"]["data"][0]["current_period_end"] + 4000)
    return str(host.fake.get(found.provider_id)["latest_invoice"])


@pytest.mark.usefixtures("clock")
def test_events_that_were_lost(host: SubscriptionHost) -> None:
    found = host.subscribed(host.premium)
    invoice = renewed_unheard(host, found)
    host.new_events()
    cancelled(host, found)
    host.new_events()
    host.fake.forget_requests()
    answer = host.post("subscribe", {"plan_id": host.basic.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
    assert invoice in answer.json()["detail"]
    asked = [one for one in host.fake.requests if one.path == "/v1/invoices"]
    assert len(asked) == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("kind", ["invoice", "customer.subscription"])
def test_paid_elsewhere(host: SubscriptionHost, kind: str) -> None:
    """One of the events is enough."""
    found = host.subscribed(host.premium)
    invoice = renewed_unheard(host, found)
    host.deliver_new()
    gateway, customer = get_billing_gateway("stripe"), host.customer.provider_id or ""
    good: Any = gateway.attach_payment_method(GOOD, customer, idempotency_key="good")
    host.v1.invoices.pay(invoice, {"payment_method": good.payment_method_id})
    host.deliver([one for one in host.new_events() if one["type"].startswith(kind)])
    found.refresh_from_db()
    assert (found.status, found.past_due_since, found.is_valid) == ("active", None, True)
    host.fake.advance(days=9)
    assert found.is_valid
