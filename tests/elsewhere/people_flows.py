"""What must work where users have UUIDs and times no zone; ``test_people.py`` runs this file."""

from __future__ import annotations

import io
import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from django_stripe_gateway.models import Customer, Payment, PaymentLog, PlanLimit, Subscription, WebhookEvent
from django_stripe_gateway.usage import allowance, consume
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import deliver, pass_time

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: APIClient) -> SubscriptionHost:
    return SubscriptionHost(stripe_server, user, api_client)


def pay(host: SubscriptionHost, **fields: Any) -> Payment:
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD", **fields}
    made = [
        host.client.post("/api/v1/payments/create_payment/", body, format="json", headers=KEY) for _again in range(2)
    ]
    assert [answer.status_code for answer in made] == [201, 201], made[0].content
    assert made[0].json()["payment_id"] == made[1].json()["payment_id"]
    payment = Payment.objects.get(pk=made[0].json()["payment_id"])
    for event in host.fake.complete_checkout(payment.transaction_id):
        assert deliver(event).status_code == 200
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    return payment


def about_now(moment: datetime, **later: float) -> bool:
    assert timezone.is_naive(moment)
    return abs(moment - timezone.now() - timedelta(**later)) < timedelta(minutes=5)


def test_payment(host: SubscriptionHost, other_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = 1800
    assert isinstance(host.user.pk, uuid.UUID)
    payment = pay(host)
    assert payment.owner == host.user
    assert about_now(payment.created)
    assert other_client.get(f"/api/v1/payments/{payment.pk}/").status_code == 404
    assert host.client.get("/api/v1/payments/").json()["results"][0]["payment_id"] == payment.pk
    answer = host.client.post(f"/api/v1/payments/{payment.pk}/refund_payment/", {"amount": "4.00"}, format="json")
    assert answer.status_code == 200, answer.content
    line = PaymentLog.objects.filter(actor__startswith="user:").latest("pk")
    assert line.actor == f"user:{host.user.pk}"
    assert all(about_now(event.occurred) for event in WebhookEvent.objects.all())
    today = timezone.now().date().isoformat()
    assert len(host.client.get("/api/v1/payments/", {"created": today}).json()["results"]) == 1
    # The page closes by Stripe's clock, whatever the host's zone is.
    session = host.fake.get(payment.transaction_id)
    assert 2000 < session["expires_at"] - session["created"] <= 2101


def test_subscription_and_limits(host: SubscriptionHost, other_client: APIClient) -> None:
    PlanLimit.objects.create(plan=host.basic.plan, metric="minutes", limit=10)
    subscription = host.subscribed()
    assert subscription.status == "active"
    assert about_now(subscription.current_period_start)
    assert subscription.current_period_end - timezone.now() > timedelta(days=27)
    assert Customer.objects.get().owner_id == host.user.pk
    consume(host.user, "minutes", 3)
    assert allowance(host.user, "minutes").remaining == 7
    assert host.post("me/usage", {"metric": "minutes", "quantity": 7}).status_code in (200, 201)
    assert host.post("me/usage", {"metric": "minutes", "quantity": 1}).status_code == 429
    assert host.get("me/limits").status_code == 200
    which = {"subscription_id": subscription.provider_id}
    assert host.post("cancel", which, client=other_client).status_code == 404
    changed = host.post("change", {"plan_id": host.premium.plan_id, **which})
    assert changed.status_code == 200, changed.content
    assert host.post("cancel", which).status_code == 200
    host.deliver_new()
    assert Subscription.objects.get().cancel_at_period_end


def test_what_is_left_open(host: SubscriptionHost) -> None:
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    assert host.client.post("/api/v1/payments/create_payment/", body, format="json").status_code == 201
    payment = Payment.objects.get()
    host.fake.complete_checkout(payment.transaction_id)
    host.subscribe()
    host.user.email = "new@example.com"
    host.user.save()
    pass_time(hours=1)
    out = io.StringIO()
    call_command("reconcile", "--older-than", "0", verbosity=2, stdout=out)
    payment.refresh_from_db()
    assert payment.status == "confirmed", out.getvalue()
    call_command("process_webhooks", stdout=out)
    call_command("purge_webhook_events", stdout=out)
    call_command("doctor", stdout=out)
    assert Client().get("/api/v1/webhooks/health/").status_code in (200, 401, 403)


def test_who_leaves(host: SubscriptionHost, tmp_path: Path) -> None:
    pay(host)
    subscription = host.subscribed()
    file = tmp_path / "export.json"
    call_command("export_owner", str(host.user.pk), "--output", str(file), stdout=io.StringIO())
    assert subscription.provider_id in json.dumps(json.loads(file.read_text(encoding="utf-8")))
    call_command("close_account", str(host.user.pk), stdout=io.StringIO())
    host.deliver_new()
    call_command("erase_owner", str(host.user.pk), stdout=io.StringIO())


def test_admin(host: SubscriptionHost) -> None:
    payment, subscription = pay(host), host.subscribed()
    admin = make_user(username="root", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(admin)
    pages = ["payment", "subscription", "customer", "webhookevent", "invoice", "paymentlog", "plan", "paymentoperation"]
    for page in pages:
        shown = client.get(reverse(f"admin:django_stripe_gateway_{page}_changelist"))
        assert shown.status_code == 200, page
    for page, row in (("payment", payment), ("subscription", subscription), ("customer", Customer.objects.get())):
        assert client.get(reverse(f"admin:django_stripe_gateway_{page}_change", args=[row.pk])).status_code == 200
    listed = reverse("admin:django_stripe_gateway_payment_changelist")
    assert client.get(listed, {"q": "ada"}).status_code == 200
    assert client.get(listed, {"q": str(host.user.pk)}).status_code == 200
