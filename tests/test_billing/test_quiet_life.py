"""A site that sells subscriptions and payments, sent every event that Stripe has: nothing is left over."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from django_stripe_gateway.models import Invoice, Subscription, WebhookEvent
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.invoice_intents import invoice_of_intent
from tests.factories import make_event, make_user
from tests.test_billing.host import SubscriptionHost
from tests.test_fake_stripe.shop import Shop as Sdk
from tests.test_webhooks.support import deliver, row_of

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS: dict[str, Any] = {
    "as they happen": list,
    "the last first": lambda events: list(reversed(events)),
    "shuffled": lambda events: random.Random(7).sample(events, len(events)),
}


def live(host: SubscriptionHost, tell: Any) -> None:
    """Let a site sell for some months; ``tell`` is called whenever Stripe would have delivered all so far."""
    made = host.subscribe()
    host.fake.customer_pays(made["subscription_id"], "pm_card_chargeDeclined")
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    tell()
    subscription = Subscription.objects.get()
    host.fake.advance(days=32)
    tell()
    first = host.fake.intent_of(made["subscription_id"])
    host.fake.dashboard_refund(first, 300)
    host.fake.dispute(first)
    tell()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    tell()
    host.change_card(subscription, "pm_card_visa")
    host.fake.advance(days=4)
    tell()
    made_here = create_payment(owner=host.user, gateway="stripe", amount=Decimal("10.00"), currency="USD")
    host.fake.complete_checkout(made_here.transaction_id, "pm_card_chargeDeclined")
    host.fake.complete_checkout(made_here.transaction_id)
    tell()
    made_here.refresh_from_db()
    refund_payment(payment=made_here, amount=Decimal("3.00"))
    host.fake.dashboard_refund(made_here.intent_id, 200)
    tell()
    answer = host.post("payment_methods", {"mode": "checkout", "set_default": True})
    assert answer.status_code == 201, answer.content
    pages = [page for page in host.fake.all("checkout.session") if page["mode"] == "setup"]
    host.fake.complete_checkout(pages[0]["id"], "pm_card_mastercard")
    host.post("cancel", {"subscription_id": subscription.provider_id})
    host.fake.advance(days=62)
    tell()
    # What others do in this account: no payment of theirs is this site's.
    other = Sdk(host.fake)
    intent = other.intent()
    host.fake.dashboard_refund(intent["id"], 500)
    other.session()
    host.fake.dispute(other.intent()["id"])
    tell()


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_left(either_host: SubscriptionHost, order: str) -> None:
    host = either_host
    told: list[dict[str, Any]] = []

    def tell() -> None:
        news = [event for event in host.new_events() if not host.is_known(event)]
        told.extend(news)
        host.deliver(ORDERS[order](news))

    live(host, tell)
    left = [
        (row.type, row.state, row.reason) for row in WebhookEvent.objects.exclude(state__in=("processed", "ignored"))
    ]
    assert left == []
    assert len({event["type"] for event in told}) >= 24
    assert all(row.reason for row in WebhookEvent.objects.filter(state="ignored"))
    assert Invoice.objects.exclude(intent_id="").count() >= 3
    client = Client()
    client.force_login(make_user(username="operator", is_staff=True))
    answer = client.get("/api/v1/webhooks/health/")
    assert (answer.status_code, answer.json()["status"], answer.json()["unmatched"]) == (200, "healthy", 0)


def test_refund_whose_invoice_nobody_has_named(host: SubscriptionHost) -> None:
    """An endpoint that was registered before ``invoice_payment.paid`` was handled: Stripe is asked, in two calls."""
    subscription = host.subscribe()
    host.fake.customer_pays(subscription["subscription_id"], "pm_card_visa")
    host.deliver(event for event in host.new_events() if event["type"] != "invoice_payment.paid")
    Invoice.objects.update(intent_id="")
    intent = host.fake.intent_of(subscription["subscription_id"])
    refunds = [event for event in host.fake.dashboard_refund(intent, 300) if event["type"] == "refund.created"]
    host.fake.forget_requests()
    assert host.deliver(refunds) == ["processed"]
    assert {request.path for request in host.fake.requests} <= {f"/v1/payment_intents/{intent}", "/v1/invoice_payments"}
    invoice = Invoice.objects.get()
    assert (invoice.intent_id, invoice.refunded_amount) == (intent, 3)
    event = Event(
        id="evt_1", type="refund.created", provider="stripe", variant="stripe", object=refunds[0]["data"]["object"]
    )
    assert invoice_of_intent(event) == invoice


def test_early_refund_of_a_payment__is_found_by_its_intent(host: SubscriptionHost) -> None:
    payment = create_payment(owner=host.user, gateway="stripe", amount=Decimal("10.00"), currency="USD")
    host.fake.complete_checkout(payment.transaction_id)
    intent = host.fake.get(payment.transaction_id)["payment_intent"]
    refunds = host.fake.dashboard_refund(intent, 300)
    assert host.deliver(event for event in refunds if event["type"] == "refund.created") == ["processed"]
    host.deliver_new()
    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount) == ("confirmed", 3)


def test_silent_stripe__keeps_it_for_later(host: SubscriptionHost) -> None:
    event = make_event("refund.created", {"id": "re_1", "object": "refund", "payment_intent": "pi_1"})
    host.fake.fault("GET", "/v1/payment_intents/pi_1", kind="reset_before")
    assert deliver(event).json()["state"] == "unmatched"
    assert "does not say" in row_of(event).reason
