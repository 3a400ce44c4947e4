"""Clients of the API never say on whose account a payment is taken; the host's adapter may."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.models import ConnectedAccount, PaymentGatewayConfig
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, assert_error, create, post

pytestmark = pytest.mark.django_db(transaction=True)


class Market(Adapter):
    """What a client buys is a seller's."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Return the price, and whose it is."""
        return {"amount": Decimal(7), "currency": "USD", "account": ConnectedAccount.objects.first()}


class Wrong(Adapter):
    """What is no account."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Return the id alone."""
        return {"amount": Decimal(7), "currency": "USD", "account": "acct_1"}


def test_never_by_name(api_client: APIClient, anna: ConnectedAccount) -> None:
    variant = f"stripe:{anna.provider_id}"
    PaymentGatewayConfig.objects.create(name="Anna", variant=variant)
    unknown = create(api_client, gateway="Cash")
    for name in (variant, "Anna", variant.upper(), "stripe:acct_x"):
        answer = create(api_client, gateway=name)
        assert_error(answer, 400, "unknown_gateway", "gateway")
        assert answer.json() == unknown.json()
    assert not get_payment_model().objects.exists()


def test_never_by_account(api_client: APIClient, anna: ConnectedAccount) -> None:
    asked = {"gateway": "Stripe", "amount": "5.00", "currency": "USD"}
    for value in (anna.provider_id, anna.pk, {"id": anna.pk}):
        post(api_client, CREATE, asked | {"account": value})
    assert set(get_payment_model().objects.values_list("variant", flat=True)) <= {"stripe"}


def test_by_the_adapter(api_client: APIClient, anna: ConnectedAccount, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Market"
    answer = create(api_client)
    assert answer.status_code == 201
    payment = get_payment_model().objects.get()
    assert (payment.account_id, payment.total) == (anna.provider_id, 7)
    assert answer.json()["gateway"] == "Stripe"
    # Its browser needs the account, whose page or secret it is.
    assert answer.json()["seller_account"] == anna.provider_id


def test_own_account(api_client: APIClient, platform: FakeStripe) -> None:
    assert "seller_account" not in create(api_client).json()


def test_wrong_answer(api_client: APIClient, anna: ConnectedAccount, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Wrong"
    assert_error(create(api_client), 500, "not_configured")
    assert not get_payment_model().objects.exists()
