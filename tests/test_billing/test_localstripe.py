"""The development path: subscriptions on the localstripe process."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, ProductRequest
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Customer, Invoice, PlanPricing, Subscription
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.subscriptions import (
    add_item,
    apply_discount,
    cancel_subscription,
    change_collection,
    change_subscription,
    change_trial,
    end_trial,
    subscribe,
)
from tests.billing_factories import make_plan
from tests.factories import make_user
from tests.test_billing.host import ROOT
from tests.test_webhooks.support import post
from tests.test_webhooks.test_localstripe_events import Inbox, inbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.localstripe]

__all__ = ["inbox"]


def sell(slug: str, amount: Decimal) -> PlanPricing:
    """Return a price that localstripe knows."""
    gateway = get_billing_gateway("stripe")
    plan = make_plan(slug)
    product = gateway.create_product(ProductRequest(plan.name), idempotency_key=f"product-{plan.pk}")
    price = gateway.create_price(PriceRequest(product.product_id, amount, "USD", "month", 1), idempotency_key="price")
    return PlanPricing.objects.create(
        plan=plan,
        amount=amount,
        currency="USD",
        interval="month",
        stripe_price_id=price.price_id,
        stripe_product_id=product.product_id,
    )


def call(client: APIClient, path: str, **body: Any) -> Any:
    """Post to the API."""
    return client.post(f"{ROOT}{path}/", body, format="json")


def test_life(inbox: Inbox, api_client: APIClient) -> None:
    basic, premium = sell("basic", Decimal("20.00")), sell("premium", Decimal("50.00"))
    made = call(api_client, "subscribe", plan_id=basic.plan_id)
    assert made.status_code == 201, made.content
    assert (made.json()["status"], "client_secret" in made.json()) == ("active", False)
    which = {"subscription_id": made.json()["subscription_id"]}
    shown = api_client.get(f"{ROOT}status/").json()["results"]
    assert [(found["subscription_id"], found["valid"]) for found in shown] == [(which["subscription_id"], True)]
    body = inbox.wait_for("customer.subscription.created", which["subscription_id"])
    assert post(body, secret=None).json()["state"] == "processed"
    subscription = Subscription.objects.get()
    assert subscription.current_period_end is not None
    paid = inbox.wait_for("invoice.payment_succeeded", subscription.latest_invoice_id)
    assert post(paid, secret=None).json()["state"] == "processed"
    invoice = Invoice.objects.get()
    assert (invoice.subscription, invoice.status, invoice.total) == (subscription, "paid", Decimal("20.00"))
    listed = api_client.get(f"{ROOT}invoices/").json()["results"]
    assert [(found["invoice_id"], found["total"]) for found in listed] == [(invoice.provider_id, "20.00")]
    methods = api_client.get(f"{ROOT}payment_methods/").json()["results"]
    assert [method["is_default"] for method in methods] == [True]

    assert call(api_client, "cancel", **which).json()["cancel_at_period_end"] is True
    assert call(api_client, "resume", **which).json()["cancel_at_period_end"] is False
    changed = call(api_client, "change", **which, plan_id=premium.plan_id)
    assert changed.status_code == 200, changed.content
    assert (changed.json()["plan"]["slug"], changed.json()["status"]) == ("premium", "active")
    ended = call(api_client, "cancel", **which, at_period_end=False)
    assert (ended.status_code, ended.json()["status"]) == (200, "canceled")
    # What was sent meanwhile, late and in another order.
    for body, _signature in reversed(inbox.bodies):
        if json.loads(body)["type"].startswith(("customer.", "invoice.")):
            assert post(body, secret=None).status_code == 200
    subscription.refresh_from_db()
    assert (subscription.status, subscription.plan) == ("canceled", premium.plan)


def test_what_localstripe_does_not_know(localstripe: str, api_client: APIClient) -> None:
    basic, premium = sell("basic", Decimal("20.00")), sell("premium", Decimal("50.00"))
    which = {"subscription_id": call(api_client, "subscribe", plan_id=basic.plan_id).json()["subscription_id"]}
    refused = {
        "checkout": call(api_client, "subscribe", plan_id=premium.plan_id, mode="checkout"),
        "promotion code": call(api_client, "subscribe", plan_id=premium.plan_id, promotion_code="HALF"),
        "preview": call(api_client, "change", **which, plan_id=premium.plan_id, preview=True),
        "pause": call(api_client, "pause", **which),
        "unpause": call(api_client, "unpause", **which),
        "portal": call(api_client, "portal"),
    }
    for name, answer in refused.items():
        assert answer.status_code == 501, (name, answer.content)
        assert answer.json()["detail"].endswith("."), name
    assert Subscription.objects.get().status == "active"


def test_store_that_outlives_the_database(fresh_localstripe: str, api_client: APIClient) -> None:
    """Somebody with this address has subscribed before, says the store: a developer's own earlier self."""
    basic = sell("basic", Decimal("20.00"))
    developer = APIClient()
    developer.force_authenticate(make_user(email="dev@example.com"))
    assert call(developer, "subscribe", plan_id=basic.plan_id).status_code == 201
    # As if the database had been made anew, and its users counted from the same number again.
    Customer.objects.update(provider_id="cus_of_no_database", owner=None)
    assert call(developer, "subscribe", plan_id=basic.plan_id).status_code == 201


@pytest.mark.usefixtures("one_per_plan")
def test_what_localstripe_does_not_know__in_code(fresh_localstripe: str, api_client: APIClient) -> None:
    """Nothing that is asked for is left out in silence, if it changes money or terms."""
    basic, premium = sell("basic", Decimal("20.00")), sell("premium", Decimal("50.00"))
    assert call(api_client, "subscribe", plan_id=basic.plan_id).status_code == 201
    mine = Subscription.objects.select_related("customer", "plan", "pricing").get()
    owner, later = mine.customer.owner, timezone.now() + timedelta(days=9)
    refused: dict[str, Callable[[], Any]] = {
        "schedule": lambda: change_subscription(subscription=mine, pricing=premium, at_period_end=True),
        "invoiced": lambda: change_subscription(subscription=mine, pricing=premium, proration="always_invoice"),
        "moment": lambda: change_subscription(subscription=mine, pricing=premium, proration_date=timezone.now()),
        "item": lambda: add_item(subscription=mine, pricing=premium),
        "add-ons": lambda: subscribe(owner=owner, plan=premium.plan, add_ons=[(basic, 1)]),
        "trial": lambda: change_trial(subscription=mine, ends=later),
        "end of a trial": lambda: end_trial(subscription=mine),
        "trial's end": lambda: subscribe(owner=owner, plan=premium.plan, trial_days=9, trial_end_behavior="cancel"),
        "sent": lambda: subscribe(owner=owner, plan=premium.plan, collection_method="send_invoice", days_until_due=9),
        "collection": lambda: change_collection(subscription=mine, collection_method="send_invoice", days_until_due=9),
        "anchor": lambda: subscribe(owner=owner, plan=premium.plan, billing_cycle_anchor=later),
        "coupon": lambda: apply_discount(subscription=mine, coupon="HALF"),
        "date": lambda: cancel_subscription(subscription=mine, cancel_at=later),
        "refund": lambda: cancel_subscription(subscription=mine, at_period_end=False, refund_unused="refund"),
        "credit": lambda: cancel_subscription(subscription=mine, at_period_end=False, refund_unused="credit"),
    }
    for act in refused.values():
        with pytest.raises(UnsupportedByGateway) as caught:
            act()
        assert caught.value.detail.endswith(".")
    found = Subscription.objects.exclude(status="incomplete_expired").get()
    assert (found.status, found.pricing, found.cancel_at) == ("active", basic, None)
    # This changes nothing of what is charged.
    ended = cancel_subscription(subscription=found, at_period_end=True, reason="unused")
    assert (ended.cancel_at_period_end, ended.cancellation_feedback) == (True, "")


def test_cards(fresh_localstripe: str, api_client: APIClient) -> None:
    basic = sell("basic", Decimal("20.00"))
    made = call(api_client, "subscribe", plan_id=basic.plan_id)
    assert made.status_code == 201, made.content
    (card,) = api_client.get(f"{ROOT}payment_methods/").json()["results"]
    assert (card["is_default"], card["subscriptions"]) == (True, [made.json()["subscription_id"]])
    chosen = call(api_client, f"payment_methods/{card['payment_method_id']}/default")
    assert (chosen.status_code, chosen.json()) == (200, card)
    refused = call(api_client, "payment_methods", mode="checkout")
    assert (refused.status_code, refused.json()["code"]) == (501, "unsupported_by_gateway")


def test_from_scratch(localstripe: str, user: Any, api_client: APIClient) -> None:
    """A localstripe that began anew knows nobody: all is made anew, and the rows of before are in nobody's way."""
    pricing = sell("pro", Decimal("20.00"))
    before = subscribe(owner=user, plan=pricing.plan)
    requests.delete(f"{localstripe}/_config/data", timeout=10).raise_for_status()
    yesterday = timezone.now() - timedelta(days=1)
    Subscription.objects.update(created=yesterday)
    BillingOperation.objects.update(created=yesterday)
    answer = api_client.post(f"{ROOT}cancel/", {"subscription_id": before.provider_id}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_at_provider")
    before.refresh_from_db()
    assert not before.is_valid
    push_plan(plan=pricing.plan)
    after = subscribe(owner=user, plan=pricing.plan)
    assert after.is_valid
    assert after.provider_id != before.provider_id
    call_command("reconcile", older_than=0, stdout=StringIO())
