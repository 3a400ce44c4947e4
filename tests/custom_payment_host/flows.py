"""What must work with the host's own payment model; ``test_host.py`` runs this file under the host's settings."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from payments import RedirectNeeded, get_payment_model
from payments.core import provider_factory
from rest_framework.test import APIClient

from django_stripe_gateway import models
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import refund as refunds
from tests.conftest import SignalRecorder
from tests.custom_payment_host.shop.models import Order, ShopPayment
from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order() -> Order:
    return Order.objects.create(number="A-1", lines=[["Mug", "3.50", 2], ["Tea", "3.00", 1]])


def pay(stripe: FakeStripe, user: Any, order: Order, **fields: Any) -> ShopPayment:
    """Return a payment whose customer has paid, and whose events have been delivered."""
    values = {"owner": user, "gateway": "Stripe", "amount": Decimal("10.00"), "currency": "USD", "purchase": order}
    payment = payments.create_payment(**values | fields)
    for event in stripe.complete_checkout(payment.transaction_id):
        body = stripe.body(event)
        signature = stripe.sign(body, "whsec_test", int(time.time()))
        answer = Client().post(
            "/billing/webhooks/stripe/",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": signature},
        )
        assert answer.status_code == 200
    payment.refresh_from_db()
    return payment


def test_model__takes_the_place_of_ours() -> None:
    assert get_payment_model() is ShopPayment
    assert models.Payment._meta.swapped == "shop.ShopPayment"
    assert {model for model in apps.get_models() if issubclass(model, models.AbstractPayment)} == {ShopPayment}
    tables = connection.introspection.table_names()
    assert "shop_shoppayment" in tables
    assert "django_stripe_gateway_payment" not in tables
    for related in (models.PaymentLog, models.PaymentOperation, models.Refund):
        assert related._meta.get_field("payment").related_model is ShopPayment


def test_model__has_the_indexes() -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "shop_shoppayment")
    columns = {tuple(details["columns"]) for details in constraints.values() if details["index"] or details["unique"]}
    assert {("owner_id", "id"), ("status", "created"), ("token",), ("intent_id",), ("transaction_id",)} <= columns


def test_checks__are_clean() -> None:
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_migrations__backwards_and_forwards() -> None:
    try:
        for _ in range(2):
            call_command("migrate", "shop", "zero", verbosity=0)
            tables = connection.introspection.table_names()
            assert not [name for name in tables if name.startswith(("shop_", "django_stripe_gateway_"))]
            call_command("migrate", verbosity=0)
            assert "shop_shoppayment" in connection.introspection.table_names()
            assert models.PaymentGatewayConfig.objects.get().is_default
    finally:
        call_command("migrate", verbosity=0)


def test_payment__from_order_to_refund(
    stripe_server: FakeStripe, user: Any, order: Order, recorded_signals: SignalRecorder
) -> None:
    payment = pay(stripe_server, user, order, channel="phone")
    assert type(payment) is ShopPayment
    assert (payment.status, payment.purchase, payment.channel) == ("confirmed", order, "phone")
    assert list(order.payments.refundable()) == [payment]
    session = stripe_server.get(payment.transaction_id)
    assert session["success_url"].startswith("https://shop.test/billing/payments/")
    lines = next(request for request in stripe_server.requests if request.method == "POST").params["line_items"]
    lines = list(lines.values()) if isinstance(lines, dict) else lines
    assert [line["price_data"]["product_data"]["name"] for line in lines] == ["Mug", "Tea"]

    refund = refunds.refund_payment(payment=payment, amount=Decimal("3.00"))
    assert refund.payment.refunded_amount == Decimal("3.00")
    payment.refund()
    assert (payment.status, payment.refunded_amount, payment.channel) == ("refunded", Decimal("10.00"), "phone")
    with pytest.raises(ValueError):
        payment.refund()
    names = [name for name in recorded_signals.names if not name.startswith("webhook_")]
    assert names == ["payment_created", "payment_confirmed", "payment_refunded", "payment_refunded"]
    assert ShopPayment.objects.totals() == {"USD": {"captured": 10, "refunded": 10, "net": 0}}
    assert {line.payment_id for line in models.PaymentLog.objects.all()} == {payment.pk}


def test_payment__captured_in_part(stripe_server: FakeStripe, user: Any, order: Order) -> None:
    payment = pay(stripe_server, user, order, capture_method="manual")
    assert payment.status == "preauth"
    captured = captures.capture_payment(payment=payment, amount=Decimal("6.00"))
    assert isinstance(captured, ShopPayment)
    assert (captured.status, captured.captured_amount) == ("confirmed", Decimal("6.00"))
    with pytest.raises(WrongState):
        captures.capture_payment(payment=payment)


def test_payment__of_django_payments(stripe_server: FakeStripe, order: Order) -> None:
    payment = make_payment(purchase=order)
    with pytest.raises(RedirectNeeded, match=r"/c/pay/cs_"):
        payment.get_form()
    stripe_server.complete_checkout(payment.transaction_id)
    provider: Any = provider_factory("stripe")
    assert provider.status(payment).is_confirmed


def test_api(stripe_server: FakeStripe, user: Any, other_user: Any, order: Order) -> None:
    client = APIClient()
    client.force_authenticate(user)
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD", "order_id": "A-1", "capture_method": "manual"}
    created = client.post("/billing/payments/create_payment/", body, format="json")
    assert created.status_code == 201, created.content
    payment = ShopPayment.objects.get(pk=created.json()["payment_id"])
    assert payment.channel == "web"
    stripe_server.complete_checkout(payment.transaction_id)

    page = payment.get_success_url().removeprefix("https://shop.test")
    assert Client().get(page, headers={"Accept": "application/json"}).status_code in {200, 302}
    payment.refresh_from_db()
    assert payment.status == "preauth"

    url = f"/billing/payments/{payment.pk}/"
    captured = client.post(f"{url}capture_payment/", {"amount": "6.00"}, format="json")
    assert captured.status_code == 200, captured.content
    refunded = client.post(f"{url}refund_payment/", {"amount": "1.00"}, format="json")
    assert refunded.status_code in {200, 201}, refunded.content

    listed = client.get("/billing/payments/").json()["results"]
    assert [(row["payment_id"], row["status"], row["refunded_amount"]) for row in listed] == [
        (created.json()["payment_id"], "confirmed", "1.00")
    ]
    assert client.get(f"{url}logs/").status_code == 200
    client.force_authenticate(other_user)
    assert client.get("/billing/payments/").json()["results"] == []
    assert client.get(url).status_code == 404


def test_admin(stripe_server: FakeStripe, user: Any, order: Order) -> None:
    payment = pay(stripe_server, user, order)
    get_user_model().objects.create_superuser("root", password="pw")
    client = Client()
    client.login(username="root", password="pw")
    changelist = client.get("/admin/shop/shoppayment/")
    assert changelist.status_code == 200
    assert "10.00" in changelist.content.decode()
    assert client.get("/admin/shop/shoppayment/", {"q": payment.intent_id}).status_code == 200
    assert client.get(f"/admin/shop/shoppayment/{payment.pk}/change/").status_code == 200
    for name in ("paymentlog", "paymentoperation", "refund", "webhookevent", "paymentgatewayconfig"):
        assert client.get(f"/admin/django_stripe_gateway/{name}/").status_code == 200, name
    assert client.get("/admin/django_stripe_gateway/payment/").status_code == 404


def test_callback_of_django_payments(client: Any) -> None:
    answer = client.post("/payments/process/stripe/", b"{}", content_type="application/json")
    assert answer.status_code == 400
    assert "webhooks/stripe/" in answer.json()["error"]
