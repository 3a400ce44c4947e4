"""Whose money a payment becomes is the host's to say, and no client's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from payments import get_payment_model
from rest_framework import serializers
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.api.payments.serializers import CreatePaymentSerializer
from django_stripe_gateway.models import ConnectedAccount
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import act, assert_error, create
from tests.test_services.test_connect.sellers import seller_of

pytestmark = pytest.mark.django_db(transaction=True)

THIEF = "acct_thief"
TERMS = {
    "destination": THIEF,
    "on_behalf_of": THIEF,
    "application_fee": "0.00",
    "destination_id": THIEF,
    "on_behalf_of_id": THIEF,
    "transfer_data": {"destination": THIEF},
    "application_fee_amount": 0,
}


class Marketplace(Adapter):
    """A seller's order: the money is theirs, and a tenth of it the platform's."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Answer with the only seller there is."""
        terms = {"destination": ConnectedAccount.objects.get(), "application_fee": Decimal("2.50")}
        return {"amount": Decimal(25), "currency": "EUR", **terms}


class OpenSerializer(CreatePaymentSerializer):
    """A host whose clients name the seller, for the adapter to decide about."""

    destination = serializers.CharField(required=False)


@pytest.mark.parametrize("name", TERMS)
def test_client_says_nothing_of_it(stripe_server: FakeStripe, api_client: APIClient, name: str) -> None:
    assert_error(create(api_client, **{name: TERMS[name]}), 400, "unknown_field", name)
    assert not get_payment_model().objects.exists()


@pytest.mark.parametrize("action", ["refund_payment", "capture_payment"])
@pytest.mark.parametrize("name", ["reverse_transfer", "refund_application_fee", "application_fee"])
def test_client_moves_nothing_of_it(
    stripe_server: FakeStripe, api_client: APIClient, settings: Any, action: str, name: str
) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["create_payment", action]
    payment_id = create(api_client).json()["payment_id"]
    assert_error(act(api_client, payment_id, action, {name: False}), 400, "unknown_field", name)


def test_host_decides(stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
    seller = seller_of(stripe_server)
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Marketplace"
    shown = create(api_client).json()
    payment = get_payment_model().objects.get()
    assert (payment.destination_id, payment.application_fee) == (seller.provider_id, Decimal("2.50"))
    # What the platform keeps is no customer's business.
    assert not {"destination", "destination_id", "application_fee"} & set(shown)
    stripe_server.complete_checkout(payment.transaction_id)
    assert [fee["amount"] for fee in stripe_server.all("application_fee")] == [250]


def test_what_a_client_names_is_only_the_adapters_to_read(
    stripe_server: FakeStripe, api_client: APIClient, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_SERIALIZERS = {"CreatePayment": f"{__name__}.OpenSerializer"}
    assert create(api_client, destination=THIEF).status_code == 201
    assert get_payment_model().objects.get().destination_id == ""
