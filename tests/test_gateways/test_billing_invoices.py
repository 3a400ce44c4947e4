from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.billing_values import (
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
)
from tests.test_gateways.billing_conformance import OnFakeStripe

TWENTY = Decimal("20.00")


def test_invoices__page_after_page(stripe_biller: OnFakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_stripe_gateway.gateways.stripe.calls.PAGE", 2)
    found = stripe_biller.active()
    stripe_biller.fake.advance(days=4 * 31)
    listed = stripe_biller.gateway.list_invoices(found.customer_id)
    assert len(listed) == len(stripe_biller.fake.all("invoice")) > 4
    created = [invoice.created for invoice in listed if invoice.created]
    assert created == sorted(created, reverse=True)


def test_checkout(stripe_biller: OnFakeStripe) -> None:
    customer, price = stripe_biller.customer(""), stripe_biller.price()
    subscription = SubscriptionRequest(customer.customer_id, price.price_id, 2, metadata={"subscription": "9"})
    request = SubscriptionCheckoutRequest(subscription, "https://shop.test/ok", "https://shop.test/no", True)
    made = stripe_biller.gateway.create_subscription_checkout(request, idempotency_key=stripe_biller.key())
    assert (made.status, made.subscription_id, made.metadata) == ("open", "", {"subscription": "9"})
    assert made.url.startswith(stripe_biller.fake.url)
    assert made.url not in repr(made)
    stripe_biller.fake.complete_checkout(made.session_id)
    done = stripe_biller.gateway.retrieve_subscription_checkout(made.session_id)
    assert (done.status, done.customer_id) == ("complete", customer.customer_id)
    found = stripe_biller.gateway.retrieve_subscription(done.subscription_id)
    assert (found.status, found.items[0].quantity, found.metadata) == ("active", 2, {"subscription": "9"})
    with pytest.raises(ProviderStateError):
        stripe_biller.gateway.expire_subscription_checkout(made.session_id, idempotency_key=stripe_biller.key())


def test_read__what_webhooks_bring(stripe_biller: OnFakeStripe) -> None:
    """An event says the same as a question, in the generation of its endpoint."""
    found = stripe_biller.active()
    stripe_biller.fake.advance(days=31)
    now = stripe_biller.gateway.retrieve_subscription(found.subscription_id)
    event = stripe_biller.fake.events("customer.subscription.updated", found.subscription_id)[-1]
    read = stripe_biller.gateway.read_subscription(event["data"]["object"])
    assert (read.status, read.current_period_start) == ("active", now.current_period_start)
    assert (read.current_period_end, read.items) == (now.current_period_end, now.items)
    assert read.latest_invoice_id == now.latest_invoice_id
    paid = stripe_biller.fake.events("invoice.paid")[-1]
    invoice = stripe_biller.gateway.read_invoice(paid["data"]["object"])
    assert (invoice.invoice_id, invoice.subscription_id) == (now.latest_invoice_id, found.subscription_id)
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == ("paid", TWENTY, "subscription_cycle")
    assert (invoice.period_start, invoice.period_end) == (now.current_period_start, now.current_period_end)
    upcoming = stripe_biller.fake.events("invoice.upcoming")[-1]
    announced = stripe_biller.gateway.read_invoice(upcoming["data"]["object"])
    assert (announced.invoice_id, announced.subscription_id) == ("", found.subscription_id)
