"""The admin of everything beside payments."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_stripe_gateway.models import (
    IdempotencyKey,
    PaymentGatewayConfig,
    PaymentLog,
    PaymentOperation,
    Refund,
    WebhookEvent,
)
from tests.factories import make_paid_payment, make_user
from tests.test_admin.pages import own_url

pytestmark = pytest.mark.django_db

READ_ONLY = ["paymentlog", "paymentoperation", "refund", "webhookevent"]


def make_row(model: str, number: int = 0) -> Any:
    """Return a stored row of a read-only model."""
    if model == "webhookevent":
        body = json.dumps({"id": f"evt_{number}", "data": {"object": {"client_secret": "pi_secret_hidden"}}})
        return WebhookEvent.objects.create(
            provider="stripe", event_id=f"evt_{number}", type="charge.refunded", object_id="ch_1", body=body
        )
    payment = make_paid_payment(order_id=f"order-{number}")
    if model == "paymentlog":
        return PaymentLog.objects.create(payment=payment, event="updated", data={"to": "shown-value"})
    if model == "refund":
        return Refund.objects.create(payment=payment, provider_id=f"re_{payment.pk}", amount=4, currency="USD")
    return PaymentOperation.objects.create(payment=payment, kind="capture", amount=4, leased_until=timezone.now())


@pytest.mark.parametrize("model", READ_ONLY)
def test_list__number_of_queries_is_constant(admin_client: Client, model: str) -> None:
    counts = []
    for start, total in ((0, 2), (2, 10)):
        for number in range(start, start + total):
            make_row(model, number)
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(own_url(model, "changelist"))
        counts.append(len(queries))
    assert len(response.context["cl"].result_list) == 12
    assert counts[0] == counts[1] <= 8


@pytest.mark.parametrize("model", READ_ONLY)
def test_read_only__even_for_superusers(admin_client: Client, model: str) -> None:
    row = make_row(model)
    before = type(row).objects.values().get(pk=row.pk)
    assert admin_client.get(own_url(model, "add")).status_code == 403
    assert admin_client.get(own_url(model, "change", row.pk)).status_code == 200
    assert admin_client.post(own_url(model, "change", row.pk), {"message": "forged"}).status_code == 403
    assert admin_client.post(own_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    admin_client.post(own_url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert type(row).objects.values().get(pk=row.pk) == before


@pytest.mark.parametrize("model", READ_ONLY)
def test_search(admin_client: Client, model: str) -> None:
    rows = [make_row(model, number) for number in range(2)]
    term = rows[0].event_id if model == "webhookevent" else rows[0].payment.order_id
    response = admin_client.get(own_url(model, "changelist"), {"q": term})
    assert [row.pk for row in response.context["cl"].result_list] == [rows[0].pk]


@pytest.mark.parametrize("model", READ_ONLY)
def test_pages__need_the_view_permission(staff_client: Any, model: str) -> None:
    row = make_row(model)
    stranger = staff_client()
    assert stranger.get(own_url(model, "changelist")).status_code == 403
    assert stranger.get(own_url(model, "change", row.pk)).status_code == 403


def test_webhook_event__body_without_secrets(admin_client: Client) -> None:
    row = make_row("webhookevent", 7)
    content = admin_client.get(own_url("webhookevent", "change", row.pk)).content.decode()
    assert "evt_7" in content
    assert "pi_secret_hidden" not in content


@pytest.mark.parametrize("body", ["", "no json: secret_hidden", "[]", "null"])
def test_webhook_event__any_body(admin_client: Client, body: str) -> None:
    row = WebhookEvent.objects.create(provider="stripe", event_id="evt_1", type="x", body=body)
    response = admin_client.get(own_url("webhookevent", "change", row.pk))
    assert response.status_code == 200
    assert "secret_hidden" not in response.content.decode()


def test_webhook_event__list_leaves_bodies_in_the_database(admin_client: Client) -> None:
    make_row("webhookevent")
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(own_url("webhookevent", "changelist"))
    assert not any('"body"' in query["sql"] or "`body`" in query["sql"] for query in queries)


def test_payment_log__shows_its_values(admin_client: Client) -> None:
    row = make_row("paymentlog")
    content = admin_client.get(own_url("paymentlog", "change", row.pk)).content.decode()
    assert "shown-value" in content


def test_idempotency_keys__do_not_hold_users_back(admin_client: Client) -> None:
    user = make_user()
    IdempotencyKey.objects.create(owner=user, key="k", fingerprint="f")
    assert not admin.site.is_registered(IdempotencyKey)
    admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert not IdempotencyKey.objects.exists()


def test_gateway__edited(admin_client: Client) -> None:
    config, _created = PaymentGatewayConfig.objects.get_or_create(name="Stripe", defaults={"variant": "stripe"})
    data = {"name": "Cards", "variant": "stripe", "description": "", "is_active": "on"}
    admin_client.post(own_url("paymentgatewayconfig", "change", config.pk), data)
    config.refresh_from_db()
    assert config.name == "Cards"


def test_gateway__unknown_variant(admin_client: Client) -> None:
    url = own_url("paymentgatewayconfig", "add")
    response = admin_client.post(url, {"name": "New", "variant": "nowhere", "is_active": "on"})
    assert "variant" in response.context["adminform"].form.errors
    assert not PaymentGatewayConfig.objects.filter(name="New").exists()


def test_gateway__lost_variant_can_only_be_switched_off(admin_client: Client) -> None:
    config = PaymentGatewayConfig.objects.create(name="Old", variant="gone")
    url = own_url("paymentgatewayconfig", "change", config.pk)
    response = admin_client.post(url, {"name": "Old", "variant": "gone", "is_active": "on"})
    assert "variant" in response.context["adminform"].form.errors
    admin_client.post(url, {"name": "Old", "variant": "gone"})
    config.refresh_from_db()
    assert not config.is_active


def test_operations__abandoned_filter(admin_client: Client) -> None:
    abandoned, busy = make_row("paymentoperation", 1), make_row("paymentoperation", 2)
    PaymentOperation.objects.filter(pk=busy.pk).update(leased_until=timezone.now() + timedelta(minutes=1))
    response = admin_client.get(own_url("paymentoperation", "changelist"), {"abandoned": "yes"})
    assert [row.pk for row in response.context["cl"].result_list] == [abandoned.pk]
