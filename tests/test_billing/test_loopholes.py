"""Ways around the rules: what a customer could try, and what lost events could leave behind."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.subscriptions import line
from django_stripe_gateway.services.subscriptions.reconcile import reconcile_subscriptions
from django_stripe_gateway.services.subscriptions.sync import apply_subscription, lock_subscription
from django_stripe_gateway.services.transactions import money_transaction
from django_stripe_gateway.subscriptions import subscribe
from tests.billing_factories import make_subscription
from tests.test_billing.host import ROOT, SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def test_lost_page_of_a_plan_that_does_not_renew(host: SubscriptionHost) -> None:
    host.subscribe(host.sell("day-pass", Decimal("5.00"), auto_renew=False, interval="day"), mode="checkout")
    host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    assert [found.outcome for found in reconcile_subscriptions(older_than=timedelta())] == ["changed"]
    subscription = Subscription.objects.get()
    assert host.fake.get(subscription.provider_id)["cancel_at_period_end"] is True
    assert subscription.cancel_at_period_end
    assert list(reconcile_subscriptions(older_than=timedelta(hours=1))) == []


def test_another_trial_after_a_change(host: SubscriptionHost) -> None:
    host.basic.trial_days = 14
    host.basic.save()
    subscription = host.subscribed(host.basic)
    assert subscription.on_trial
    body = {"subscription_id": subscription.provider_id}
    assert host.post("change", {**body, "plan_id": host.premium.plan_id}).status_code == 200
    assert host.post("cancel", {**body, "at_period_end": False}).status_code == 200
    assert host.subscribe(host.basic)["status"] == "incomplete"


@pytest.mark.usefixtures("one_per_plan")
def test_subscribed_during_a_change(host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = host.subscribed(host.basic)
    scope = line.scoped_request_key

    def raced(*args: object) -> str | None:
        monkeypatch.undo()
        subscribe(owner=host.user, plan=host.premium.plan)
        return scope(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(line, "scoped_request_key", raced)
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id}
    assert host.post("change", body).json()["code"] == "already_subscribed"
    assert Subscription.objects.filter(plan=host.premium.plan).count() == 1


@pytest.mark.usefixtures("one_per_plan")
def test_change_after_an_abandoned_page(host: SubscriptionHost) -> None:
    subscription = host.subscribed(host.basic)
    host.subscribe(host.premium, mode="checkout")
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id}
    assert host.post("change", body).status_code == 200
    assert [page["status"] for page in host.fake.all("checkout.session")] == ["expired"]


def test_address_as_payment_method(host: SubscriptionHost, api_client: APIClient) -> None:
    host.subscribe()
    answer = api_client.delete(f"{ROOT}payment_methods/../")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_payment_method")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("subscribe", "plan_id pricing_id lookup_key currency quantity add_ons promotion_code payment_method mode"),
        ("change", "subscription_id plan_id pricing_id quantity proration at_period_end preview proration_date"),
        ("cancel", "subscription_id at_period_end reason comment cancel_at refund_unused"),
        ("pause", "subscription_id behavior resumes_at"),
        ("trial", "subscription_id trial_end"),
        ("items", "subscription_id pricing_id quantity"),
        ("me/usage", "metric quantity"),
    ],
)
def test_number_of_any_size(host: SubscriptionHost, path: str, fields: str) -> None:
    host.let_change_terms()
    bodies = [f'{{"{field}": 1e1000000}}' for field in fields.split()]
    for body in [*bodies, f'{{"plan_id": {host.basic.plan_id}, "metadata": {{"a": 1e1000000}}}}']:
        answer = host.client.post(f"{ROOT}{path}/", body, content_type="application/json")
        assert answer.status_code == 400, (body, answer.content)


def test_text_that_cannot_be_sent(host: SubscriptionHost) -> None:
    text: dict[str, Any]
    for text in ({"promotion_code": "\ud800"}, {"coupon": "\ud800"}, {"coupon": "a\0"}, {"metadata": {"a": "\ud800"}}):
        with pytest.raises(InvalidInput):
            subscribe(owner=host.user, plan=host.basic.plan, **text)
    assert not BillingOperation.objects.filter(kind="subscribe").exists()


@pytest.mark.parametrize("field", ["mode", "promotion_code"])
def test_lone_surrogate(api_client: APIClient, field: str) -> None:
    body = json.dumps({"plan_id": 1, field: "\ud800"})
    answer = api_client.post(f"{ROOT}subscribe/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_grace__does_not_begin_anew() -> None:
    late = timezone.now() - timedelta(days=30)
    subscription = make_subscription(status="unpaid", past_due_since=late)
    customer_id = subscription.customer.provider_id or ""
    snapshot = SubscriptionSnapshot(subscription.provider_id or "", "past_due", customer_id)
    with money_transaction():
        apply_subscription(lock_subscription(subscription.pk), snapshot, SYSTEM)
    subscription.refresh_from_db()
    assert (subscription.status, subscription.past_due_since, subscription.is_valid) == ("past_due", late, False)
