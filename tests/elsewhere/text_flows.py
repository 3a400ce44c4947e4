"""What must work where the database cannot hold what people write; ``test_texts.py`` runs this file on each."""

from __future__ import annotations

import io
import json
import os
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from django_stripe_gateway.models import Payment, PaymentLog, Subscription, WebhookEvent
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.webhooks import registry
from tests.factories import make_event, make_payment, session_object
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import post

pytestmark = pytest.mark.django_db(transaction=True)

ENCODING = os.environ["ELSEWHERE_ENCODING"]
TEXTS = ["Zoë → 李 \U0001f600", "naïve café", "\U0001f600" * 120, "Привет", "\x81\x9d", "½€…"]


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: APIClient) -> SubscriptionHost:
    user.first_name = "Zoë \U0001f600"
    return SubscriptionHost(stripe_server, user, api_client)


def deliver(event: dict[str, Any]) -> str:
    """Deliver an event as Stripe writes it: in UTF-8, not escaped."""
    answer = post(json.dumps(event, ensure_ascii=False, indent=2).encode())
    assert answer.status_code == 200, answer.content
    return str(answer.json()["state"])


def named(event: dict[str, Any], text: str) -> dict[str, Any]:
    """Let an event say who has paid."""
    if "customer_details" in event["data"]["object"]:
        event["data"]["object"]["customer_details"] = {"email": "zoe@example.com", "name": text}
    event["data"]["object"]["metadata"]["nickname"] = text
    return event


def test_database() -> None:
    with connection.cursor() as cursor:
        question = "SHOW server_encoding" if connection.vendor == "postgresql" else "SELECT @@character_set_database"
        cursor.execute(question)
        assert cursor.fetchone()[0] == ENCODING
    (found,) = [message for message in run_checks(databases=["default"]) if message.id.endswith(".W021")]
    assert ENCODING in found.msg
    assert "question mark" in found.msg


@pytest.mark.parametrize("text", TEXTS)
def test_payment(host: SubscriptionHost, text: str) -> None:
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD", "description": text}
    answer = host.client.post("/api/v1/payments/create_payment/", body, format="json")
    assert answer.status_code == 201, answer.content
    payment = Payment.objects.get()
    assert len(payment.description) == len(text)
    # What Stripe was sent is what is stored.
    request = next(one for one in host.fake.requests if one.path == "/v1/checkout/sessions")
    assert request.params["payment_intent_data"]["description"] == payment.description
    for event in host.fake.complete_checkout(payment.transaction_id):
        assert deliver(named(event, text)) in ("processed", "ignored")
        row = WebhookEvent.objects.get(event_id=event["id"])
        assert row.body.isascii()
        # Nothing of it is lost.
        assert json.loads(row.body)["data"]["object"]["metadata"]["nickname"] == text
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert payment.captured_amount == 10
    refunded = host.client.post(f"/api/v1/payments/{payment.pk}/refund_payment/", {"amount": "4.00"}, format="json")
    assert refunded.status_code in (200, 201), refunded.content
    for event in host.new_events():
        assert deliver(event) in ("processed", "ignored", "unmatched")
    payment.refresh_from_db()
    assert payment.refunded_amount == 4
    assert all(line.message.isascii() for line in PaymentLog.objects.all())


@pytest.mark.parametrize("text", TEXTS)
def test_subscription(host: SubscriptionHost, text: str) -> None:
    host.user.first_name = text[:100]
    subscription = host.subscribed()
    assert subscription.status == "active"
    answer = host.post("cancel", {"subscription_id": subscription.provider_id, "comment": text[:50]})
    assert answer.status_code == 200, answer.content
    host.deliver_new()
    assert len(Subscription.objects.get().cancellation_comment) == len(text[:50])
    page = host.fake.get(host.customer.provider_id)
    assert len(page["name"]) == len(text[:100].strip())


@pytest.mark.parametrize("text", TEXTS)
def test_what_callers_look_for_is_refused_or_kept(host: SubscriptionHost, text: str) -> None:
    for field, value in (("order_id", text), ("metadata", {"note": text}), ("metadata", {text[:40]: "note"})):
        body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD", field: value}
        answer = host.client.post("/api/v1/payments/create_payment/", body, format="json")
        if answer.status_code == 201:
            assert getattr(Payment.objects.latest("pk"), field) == value
        else:
            assert answer.status_code == 400, answer.content
            assert answer.json()["field"].startswith(field)
    answer = host.post("subscribe", {"plan_id": host.basic.plan_id, "metadata": {"note": text}})
    assert answer.status_code in (201, 400), answer.content
    found = host.client.get("/api/v1/payments/", {"order_id": text})
    assert found.status_code in (200, 400), found.content


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_others_in_events(host: SubscriptionHost, text: str) -> None:
    payment = make_payment(transaction_id="cs_test_1", intent_id="pi_1", owner=None)
    session = session_object(payment, client_reference_id=text, customer_details={"name": text})
    assert deliver(make_event("checkout.session.completed", session)) == "processed"
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    foreign = session | {"id": "cs_test_2", "metadata": {"token": text, "payment_id": text, "subscription": text}}
    for kind in ("checkout.session.completed", "payment_intent.succeeded", "customer.subscription.updated"):
        assert deliver(make_event(kind, foreign | {"id": "x_1", "customer": text})) in (
            *("unmatched", "ignored", "mismatched"),
        )
    error = {"code": "card_declined", "message": text, "decline_code": "generic_decline"}
    other = make_payment(transaction_id="cs_test_3", intent_id="pi_3")
    failed = {
        **{"id": "pi_3", "object": "payment_intent", "amount": 1000, "currency": "usd", "livemode": False},
        **{"metadata": {"payment_id": str(other.pk), "token": str(other.token)}, "status": "requires_payment_method"},
    }
    assert deliver(make_event("payment_intent.payment_failed", failed | {"last_payment_error": error})) == "processed"


def test_handler_that_fails(host: SubscriptionHost) -> None:
    def fail(event: Any) -> None:
        raise ValueError("→ \U0001f600")

    with registry.temporary_handlers():
        registry.handles("shop.odd")(fail)
        answer = post(json.dumps(make_event("shop.odd", {"id": "x"})).encode())
    assert answer.status_code == 500
    assert WebhookEvent.objects.get().state == "failed"


def test_reconcile_on_a_terminal(host: SubscriptionHost) -> None:
    payment = create_payment(owner=None, gateway="Stripe", amount=Decimal(10), currency="USD", description="→")
    host.fake.complete_checkout(payment.transaction_id)
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    call_command("reconcile", "--older-than", "0", verbosity=2, stdout=terminal)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
