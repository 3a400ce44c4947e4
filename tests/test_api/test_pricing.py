"""``create_payment/`` asks the host's adapter what a payment costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.api.payments.serializers import CreatePaymentSerializer
from django_stripe_gateway.exceptions import InvalidInput
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, assert_error, create, post

pytestmark = pytest.mark.django_db(transaction=True)

# What the adapter answers, and what it was asked.
PRICES: list[Any] = []
ASKED: list[tuple[Any, Any]] = []


class ShopPrices(Adapter):
    """The shop knows what its orders cost."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Answer what the test has prepared, and do to the data what a host might."""
        ASKED.append((request.user, dict(data)))
        data.clear()
        return PRICES[-1]


class NoSuchOrder(Adapter):
    """The shop has no orders."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Refuse."""
        raise InvalidInput("There is no such order.", code="unknown_order", field="order_id")


class OrderSerializer(CreatePaymentSerializer):
    """Clients say what they buy, and not what it costs."""

    amount = None  # type: ignore[assignment]
    currency = None  # type: ignore[assignment]


@pytest.fixture
def prices(settings: Any) -> Any:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.ShopPrices"
    yield PRICES
    PRICES.clear()
    ASKED.clear()


def test_default__what_the_client_sent(stripe_server: FakeStripe, api_client: APIClient) -> None:
    create(api_client, amount="12.50", currency="eur", description="Tea", capture_method="manual")
    payment = get_payment_model().objects.get()
    kept = (payment.total, payment.currency, payment.description, payment.capture_method)
    assert kept == (Decimal("12.50"), "EUR", "Tea", "manual")


def test_price__takes_the_place_of_all_that_the_client_sent(
    stripe_server: FakeStripe, api_client: APIClient, user: Any, prices: list[Any]
) -> None:
    prices.append({"amount": Decimal("25.00"), "currency": "EUR", "description": "Order 17"})
    sent = {"amount": "0.01", "description": "cheap", "capture_method": "manual", "order_id": "17"}
    answer = create(api_client, **sent, metadata={"a": "b"})
    shown = answer.json()
    assert answer.status_code == 201
    assert (shown["amount"], shown["currency"], shown["description"]) == ("25.00", "EUR", "Order 17")
    # Not answered, so as the variant is configured.
    assert shown["capture_method"] == "automatic"
    assert (shown["order_id"], shown["metadata"]) == ("17", {"a": "b"})
    session = stripe_server.all("checkout.session")[0]
    assert (session["amount_total"], session["currency"]) == (2500, "eur")
    asked = {**sent, "amount": Decimal("0.01"), "currency": "USD", "gateway": "Stripe", "metadata": {"a": "b"}}
    assert [(user, asked)] == ASKED


def test_price__of_an_order_without_an_amount(
    stripe_server: FakeStripe, api_client: APIClient, prices: list[Any], settings: Any
) -> None:
    settings.STRIPE_GATEWAY_SERIALIZERS = {"CreatePayment": f"{__name__}.OrderSerializer"}
    prices.append({"amount": Decimal(500), "currency": "jpy", "capture_method": "manual"})
    shown = post(api_client, CREATE, {"gateway": "Stripe", "order_id": "17"}).json()
    assert (shown["amount"], shown["currency"], shown["capture_method"]) == ("500", "JPY", "manual")


def test_order_without_an_amount__and_nobody_who_prices_it(
    stripe_server: FakeStripe, api_client: APIClient, settings: Any, caplog: Any
) -> None:
    settings.STRIPE_GATEWAY_SERIALIZERS = {"CreatePayment": f"{__name__}.OrderSerializer"}
    assert_error(post(api_client, CREATE, {"gateway": "Stripe"}), 500, "not_configured")
    assert "price_payment() of django_stripe_gateway.adapter.Adapter must return a dictionary with" in caplog.text


def test_refusal(stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.NoSuchOrder"
    assert_error(create(api_client, order_id="18"), 400, "unknown_order", "order_id")
    assert not get_payment_model().objects.exists()


def test_what_the_client_sent_is_the_clients_fault(
    stripe_server: FakeStripe, api_client: APIClient, prices: list[Any]
) -> None:
    prices.append({"amount": Decimal("0.001"), "currency": "USD"})
    assert_error(create(api_client, amount="0.001"), 400, "invalid_amount", "amount")
    prices.append({"amount": Decimal(1), "currency": "XXX"})
    assert_error(create(api_client, amount="1", currency="XXX"), 400, "unsupported_currency", "currency")


@pytest.mark.parametrize(
    ("price", "problem"),
    [
        (None, "a dictionary with amount and currency"),
        ((Decimal(25), "EUR"), "a dictionary with amount and currency"),
        ({}, "a dictionary with amount and currency"),
        ({"amount": Decimal(25)}, "a dictionary with amount and currency"),
        ({"amount": Decimal(25), "currency": "EUR", "tax": 5}, "nothing else than amount, currency, description"),
        ({"amount": 25, "currency": "EUR"}, "cannot be charged: The amount must be a finite decimal number."),
        ({"amount": 25.5, "currency": "EUR"}, "cannot be charged: The amount must be a finite decimal number."),
        ({"amount": "25", "currency": "EUR"}, "cannot be charged"),
        ({"amount": Decimal("NaN"), "currency": "EUR"}, "cannot be charged"),
        ({"amount": Decimal(0), "currency": "EUR"}, "cannot be charged: The amount must be greater than zero."),
        ({"amount": Decimal("25.001"), "currency": "EUR"}, "cannot be charged"),
        ({"amount": Decimal(25), "currency": "XXX"}, "cannot be charged"),
        ({"amount": Decimal(25), "currency": None}, "must return a string as currency"),
        ({"amount": Decimal(25), "currency": "EUR", "description": None}, "must return a string as description"),
        ({"amount": Decimal(25), "currency": "EUR", "capture_method": "later"}, "must return automatic or manual"),
        ({"amount": Decimal(25), "currency": "EUR", "capture_method": None}, "must return automatic or manual"),
        (
            {"amount": Decimal(25), "currency": "EUR", "application_fee": 1},
            "application_fee: The amount must be a finite",
        ),
        (
            {"amount": Decimal(25), "currency": "EUR", "application_fee": Decimal(-1)},
            "application_fee: The amount must not",
        ),
    ],
)
def test_wrong_answer(
    price: Any, problem: str, stripe_server: FakeStripe, api_client: APIClient, prices: list[Any], caplog: Any
) -> None:
    prices.append(price)
    shown = assert_error(create(api_client), 500, "not_configured")
    assert "price_payment" not in shown["detail"]
    assert f"price_payment() of {__name__}.ShopPrices" in caplog.text
    assert problem in caplog.text
    assert not get_payment_model().objects.exists()
