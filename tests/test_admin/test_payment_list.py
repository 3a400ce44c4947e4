"""The list of payments."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from payments import get_payment_model

from django_stripe_gateway.admin import PaymentAdmin
from django_stripe_gateway.admin.base import lists
from tests.factories import make_paid_payment, make_payment, make_user
from tests.test_admin.pages import payment_url

pytestmark = pytest.mark.django_db


def search(client: Client, term: str) -> set[Any]:
    response = client.get(payment_url("changelist"), {"q": term})
    assert response.status_code == 200
    return {payment.pk for payment in response.context["cl"].result_list}


def test_payment_model_is_registered() -> None:
    assert isinstance(admin.site._registry[get_payment_model()], PaymentAdmin)


def test_list__number_of_queries_is_constant(admin_client: Client) -> None:
    counts = []
    for total in (2, 12):
        for _number in range(total):
            make_paid_payment(owner=make_user())
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(payment_url("changelist"))
        assert response.status_code == 200
        counts.append(len(queries))
    assert len(response.context["cl"].result_list) == 14
    assert counts[0] == counts[1]
    # Session, user, gateways for the filter, count, rows; two bounds and the days of the date hierarchy.
    assert counts[1] <= (8 if connection.vendor != "mysql" else 9)


@pytest.mark.parametrize("field", ["transaction_id", "intent_id", "order_id", "token", "pk"])
def test_search__ids(admin_client: Client, field: str) -> None:
    payment = make_paid_payment(order_id="order-4711")
    make_paid_payment(order_id="another")
    assert search(admin_client, str(getattr(payment, field))) == {payment.pk}


def test_search__refund_id(admin_client: Client) -> None:
    payment = make_paid_payment()
    payment.refunds.create(provider_id="re_1", amount=1, currency="USD")
    make_paid_payment()
    assert search(admin_client, "re_1") == {payment.pk}


def test_search__owner(admin_client: Client) -> None:
    user = make_user(username="grace", email="hopper@example.com")
    payment = make_paid_payment(owner=user)
    make_paid_payment(owner=make_user())
    assert search(admin_client, "grace") == {payment.pk}
    assert search(admin_client, "hopper@") == {payment.pk}
    assert getattr(user, get_user_model().USERNAME_FIELD)


def test_search__nothing(admin_client: Client) -> None:
    make_paid_payment()
    assert search(admin_client, str(uuid.uuid4())) == set()
    assert search(admin_client, "no such thing") == set()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"money": "refundable"}, {"paid", "partly"}),
        ({"money": "partially_refunded"}, {"partly"}),
        ({"money": "with_pending_operation"}, set()),
        ({"money": "stale"}, set()),
        ({"status__exact": "waiting"}, {"waiting"}),
        ({"gateway": "Stripe"}, {"paid", "partly", "waiting"}),
        ({"gateway": "Other"}, set()),
    ],
)
def test_filters(admin_client: Client, parameters: dict[str, str], expected: set[str]) -> None:
    make_paid_payment(order_id="paid")
    make_paid_payment(order_id="partly", refunded_amount=1)
    make_payment(order_id="waiting")
    response = admin_client.get(payment_url("changelist"), parameters)
    assert {payment.order_id for payment in response.context["cl"].result_list} == expected


def test_list__amounts_in_the_currency(admin_client: Client) -> None:
    make_paid_payment(total=1500, currency="JPY")
    make_paid_payment(total=3, currency="XXX")
    content = admin_client.get(payment_url("changelist")).content.decode()
    assert "1500 JPY" in content
    assert "XXX" in content


def test_list__database_without_time_zones(admin_client: Client, monkeypatch: Any) -> None:
    make_paid_payment()
    assert admin_client.get(payment_url("changelist")).context["cl"].date_hierarchy in ("created", None)
    monkeypatch.setattr(lists, "knows_time_zones", lambda alias: False)
    response = admin_client.get(payment_url("changelist"))
    assert response.context["cl"].date_hierarchy is None
    assert response.status_code == 200


def test_list__needs_the_permission(client: Client, staff_client: Any) -> None:
    assert client.get(payment_url("changelist")).status_code == 302
    assert staff_client().get(payment_url("changelist")).status_code == 403
    assert staff_client("view_payment").get(payment_url("changelist")).status_code == 200


def test_delete__nobody(staff_client: Any, admin_client: Client) -> None:
    make_payment()
    for client in (staff_client("view_payment", "change_payment"), admin_client):
        assert "delete_selected" not in client.get(payment_url("changelist")).content.decode()
