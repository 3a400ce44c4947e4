"""What a host does with Acme Pay; ``test_host.py`` runs this file under the host's settings."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from payments import RedirectNeeded, get_payment_model
from payments.core import provider_factory
from rest_framework.test import APIClient

from django_stripe_gateway.models import Customer, PaymentGatewayConfig, PlanPricing, Subscription, WebhookEvent
from tests.billing_factories import make_plan
from tests.conftest import SignalRecorder
from tests.third_provider.bank import Bank

pytestmark = pytest.mark.django_db(transaction=True)

WEBHOOK = "/api/v1/webhooks/acme/"


def deliver(event: Any, *, signature: str | None = None, url: str = WEBHOOK) -> Any:
    """Deliver an event as the bank does."""
    body = json.dumps(event).encode()
    headers = {"Acme-Signature": Bank.sign(body) if signature is None else signature}
    return Client().post(url, body, content_type="application/json", headers=headers)


@pytest.fixture
def payment(bank: Bank, api_client: APIClient) -> Any:
    """Return a payment that was started through the HTTP API, and waits for its customer."""
    PaymentGatewayConfig.objects.create(name="Acme", variant="acme")
    body = {"gateway": "Acme", "amount": "10.00", "currency": "USD", "order_id": "A-17"}
    answer = api_client.post("/api/v1/payments/create_payment/", body)
    assert answer.status_code == 201, answer.content
    made = get_payment_model().objects.get(pk=answer.json()["payment_id"])
    assert answer.json()["gateway_url"] == bank.objects[made.transaction_id]["page"]
    return made


def test_webhook_confirms(bank: Bank, payment: Any, api_client: APIClient, recorded_signals: SignalRecorder) -> None:
    event = bank.customer_pays(payment.transaction_id)
    answers = [deliver(event).json() for _again in range(2)]
    assert answers == [{"received": True, "state": "processed"}] * 2
    read = api_client.get(f"/api/v1/payments/{payment.pk}/").json()
    assert (read["status"], read["captured_amount"], read["gateway"]) == ("confirmed", "10.00", "Acme")
    assert recorded_signals.names.count("payment_confirmed") == 1
    stored = WebhookEvent.objects.get()
    assert (stored.provider, stored.variant, stored.state) == ("acme", "acme", "processed")


def test_webhook__of_the_variant(bank: Bank, payment: Any) -> None:
    event = bank.customer_pays(payment.transaction_id)
    assert deliver(event, url=f"{WEBHOOK}acme/").json()["state"] == "processed"
    assert deliver(event, url=f"{WEBHOOK}stripe/").status_code == 404


@pytest.mark.parametrize("signature", ["", "0" * 64])
def test_webhook__forged(bank: Bank, payment: Any, signature: str) -> None:
    answer = deliver(bank.customer_pays(payment.transaction_id), signature=signature)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert WebhookEvent.objects.count() == 0


def test_webhook__contradicts_the_payment(bank: Bank, payment: Any) -> None:
    event = bank.customer_pays(payment.transaction_id)
    event["data"]["object"]["amount"] = event["data"]["object"]["taken"] = "1.00"
    assert deliver(event).json()["state"] == "mismatched"
    payment.refresh_from_db()
    assert payment.status == "waiting"


def test_refund(bank: Bank, payment: Any) -> None:
    """Through django-payments' API; the event about it is no second refund."""
    deliver(bank.customer_pays(payment.transaction_id))
    payment.refresh_from_db()
    payment.refund(Decimal("3.00"))
    assert deliver(bank.events[-1]).json()["state"] == "processed"
    payment.refresh_from_db()
    assert (payment.refunded_amount, payment.refunds.get().status) == (Decimal("3.00"), "succeeded")


def test_status__lost_webhook(bank: Bank, payment: Any) -> None:
    bank.customer_pays(payment.transaction_id)
    provider: Any = provider_factory("acme")
    assert provider.status(payment).status == "confirmed"


def test_get_form(bank: Bank, payment: Any) -> None:
    with pytest.raises(RedirectNeeded, match=bank.objects[payment.transaction_id]["page"]):
        payment.get_form()


def test_plan(bank: Bank, api_client: APIClient, user: Any) -> None:
    """A plan is pushed to the bank, subscribed to, read and cancelled."""
    plan = make_plan("acme-gold")
    PlanPricing.objects.create(plan=plan, variant="acme", amount=Decimal("20.00"), currency="USD")
    call_command("sync_plans", "--push", "--check", verbosity=0)
    (price,) = bank.all("price")
    assert (Decimal(price["amount"]), bank.objects[price["product"]]["name"]) == (Decimal("20.00"), "Acme-Gold")
    answer = api_client.post("/api/v1/subscriptions/subscribe/", {"plan_id": plan.pk})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["status"], made["plan"]["plan_id"]) == ("active", plan.pk)
    (sold,) = bank.all("subscription")
    assert (sold["id"], sold["customer"]) == (made["subscription_id"], Customer.objects.get(owner=user).provider_id)
    (listed,) = api_client.get("/api/v1/subscriptions/status/").json()["results"]
    assert listed["subscription_id"] == sold["id"]
    body = {"subscription_id": sold["id"], "at_period_end": False}
    assert api_client.post("/api/v1/subscriptions/cancel/", body).status_code == 200
    assert Subscription.objects.get().status == "canceled"
    assert bank.objects[sold["id"]]["state"] == "ended"


def test_subscription__ended_at_the_bank(bank: Bank, api_client: APIClient) -> None:
    plan = make_plan("acme-gold")
    PlanPricing.objects.create(plan=plan, variant="acme", amount=Decimal("20.00"), currency="USD")
    call_command("sync_plans", "--push", verbosity=0)
    made = api_client.post("/api/v1/subscriptions/subscribe/", {"plan_id": plan.pk}).json()
    assert deliver(bank.events[-1]).json()["state"] == "processed"
    assert Subscription.objects.get().status == "active"
    bank.end(made["subscription_id"])
    assert deliver(bank.events[-1]).json()["state"] == "processed"
    assert Subscription.objects.get().status == "canceled"
    stranger = bank.announce("subscription.ended", {**bank.objects[made["subscription_id"]], "id": "asu_other"})
    assert deliver(stranger).json()["state"] == "unmatched"


def test_plan__what_the_bank_cannot_do(bank: Bank, api_client: APIClient) -> None:
    plan = make_plan("acme-gold")
    PlanPricing.objects.create(plan=plan, variant="acme", amount=Decimal("20.00"), currency="USD")
    call_command("sync_plans", "--push", verbosity=0)
    answer = api_client.post("/api/v1/subscriptions/subscribe/", {"plan_id": plan.pk, "mode": "checkout"})
    assert (answer.status_code, answer.json()["code"]) == (501, "unsupported_by_gateway")


def test_checks__are_clean() -> None:
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "x", "key": "x"}, "acme_pay.E001"),
        ({"url": "x", "key": 5, "webhook_secret": "x"}, "django_stripe_gateway.E008"),
        ({"url": "x", "key": "x", "webhook_secret": "x", "kee": "x"}, "django_stripe_gateway.W002"),
    ],
)
def test_checks__of_options(settings: Any, options: dict[str, Any], problem: str) -> None:
    path, _options = settings.PAYMENT_VARIANTS["acme"]
    settings.PAYMENT_VARIANTS = {"acme": (path, {"gateway": "acme", **options})}
    assert problem in {message.id for message in run_checks()}
