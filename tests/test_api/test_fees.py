"""Fee and net by the API and in the admin: for the seller's people alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from django_stripe_gateway.models import Payment, PaymentFees
from tests.factories import make_payment, make_user
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error

pytestmark = pytest.mark.django_db(transaction=True)


def staff(*permissions: str) -> APIClient:
    """Return the client of somebody with some permissions."""
    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = APIClient()
    client.force_authenticate(user)
    return client


def fees(client: APIClient, payment_id: Any) -> Any:
    return client.get(f"{ROOT}payments/{payment_id}/fees/")


def test_staff(confirmed: dict[str, Any], intent_server: FakeStripe) -> None:
    client = staff("view_payment", "ask_provider")
    before = len(intent_server.requests)
    shown = fees(client, confirmed["payment_id"]).json()
    assert shown.pop("available_on")
    assert shown == {
        "currency": "USD",
        "amount": "10.00",
        "fee": "0.59",
        "net": "9.41",
        "net_after_refunds": "9.41",
        "exchange_rate": None,
        "details": [
            {"kind": "stripe_fee", "amount": "0.59", "currency": "USD", "description": "Stripe processing fees"}
        ],
    }
    asked = len(intent_server.requests)
    assert asked > before
    assert fees(client, confirmed["payment_id"]).status_code == 200
    assert len(intent_server.requests) == asked


def test_nobody_else(api_client: APIClient, other_client: APIClient, confirmed: dict[str, Any]) -> None:
    payment_id = confirmed["payment_id"]
    assert_error(fees(api_client, payment_id), 403, "not_allowed")
    assert_error(fees(other_client, payment_id), 404)
    assert_error(fees(staff("ask_provider"), payment_id), 404)
    assert_error(fees(staff("view_payment"), payment_id), 403, "not_allowed")
    assert_error(fees(APIClient(), payment_id), 401)
    assert not PaymentFees.objects.exists()


def test_customers_are_shown_nothing_of_it(api_client: APIClient, confirmed: dict[str, Any]) -> None:
    fees(staff("view_payment", "ask_provider"), confirmed["payment_id"])
    for path in ("payments/", f"payments/{confirmed['payment_id']}/", f"payments/{confirmed['payment_id']}/logs/"):
        text = api_client.get(ROOT + path).content.decode()
        assert "0.59" not in text
        assert "9.41" not in text


def test_not_booked(api_client: APIClient, preauthorized: dict[str, Any]) -> None:
    client = staff("view_payment", "ask_provider")
    assert_error(fees(client, preauthorized["payment_id"]), 409, "not_booked")
    assert_error(fees(client, make_payment().pk), 409, "not_booked")


def test_receipt_is_in_no_list(api_client: APIClient, confirmed: dict[str, Any]) -> None:
    assert "receipt_url" not in confirmed
    (listed,) = api_client.get(f"{ROOT}payments/").json()["results"]
    assert "receipt_url" not in listed
    assert (listed["card_brand"], listed["card_last4"], listed["payment_method_type"]) == ("visa", "4242", "card")
    shown = api_client.get(f"{ROOT}payments/{confirmed['payment_id']}/").json()
    assert shown["receipt_url"].startswith("https://pay.stripe.com/receipts/")
    refunded = act(api_client, confirmed["payment_id"], "refund_payment", key="one")
    assert "receipt_url" not in refunded.content.decode()


def test_admin(confirmed: dict[str, Any]) -> None:
    user = make_user(is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(user)
    payment = Payment.objects.get(pk=confirmed["payment_id"])
    page = reverse("admin:django_stripe_gateway_payment_change", args=[payment.pk])
    shown = browser.get(page).content.decode()
    assert "4242" in shown
    assert payment.receipt_url in shown
    assert "Fee and net" in shown
    assert "9.41" not in shown
    asked = browser.post(f"{page.removesuffix('change/')}fees/", {"key": str(uuid.uuid4())}, follow=True)
    assert "Fee 0.59 USD, net 9.41 USD." in asked.content.decode()
    assert "Fee 0.59 USD, net 9.41 USD." in browser.get(page).content.decode()
    # Not in the list, where it would cost a query for each row.
    listed = browser.get(reverse("admin:django_stripe_gateway_payment_changelist")).content.decode()
    assert "9.41" not in listed
