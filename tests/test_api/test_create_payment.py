"""``POST payments/create_payment/``: what a good request is answered with."""

from __future__ import annotations

from typing import Any

import pytest
from payments import get_payment_model
from rest_framework.test import APIClient

from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error, card_that_asks, create

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.localstripe
def test_development__confirmed_at_once(localstripe: str, api_client: APIClient) -> None:
    answer = create(api_client, order_id="ord_123", description="Local PI Test", metadata={"note": "local test"})

    assert answer.status_code == 201
    shown = answer.json()
    assert shown["status"] == "confirmed"
    assert shown["amount"] == "10.00"
    assert shown["currency"] == "USD"
    assert shown["intent_id"].startswith("pi_")
    assert shown["client_secret"]
    assert shown["captured_amount"] == "10.00"
    assert shown["order_id"] == "ord_123"
    assert shown["metadata"] == {"note": "local test"}
    assert "gateway_url" not in shown
    assert isinstance(shown["payment_id"], int)


def test_production__gateway_url(stripe_server: FakeStripe, api_client: APIClient, user: Any) -> None:
    answer = create(api_client, amount="25.00")

    assert answer.status_code == 201
    shown = answer.json()
    session = stripe_server.all("checkout.session")[0]
    assert shown["gateway_url"] == session["url"]
    assert (shown["status"], shown["amount"], shown["currency"]) == ("waiting", "25.00", "USD")
    assert "client_secret" not in shown
    assert "intent_id" not in shown
    assert session["amount_total"] == 2500
    payment = get_payment_model().objects.get(pk=shown["payment_id"])
    assert payment.owner == user
    assert [log.actor for log in payment.logs.all()] == [f"user:{user.pk}"] * payment.logs.count()


def test_intent_flow__client_secret(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    assert shown["status"] == "waiting"
    assert shown["client_secret"] == intent_server.get(shown["intent_id"])["client_secret"]


def test_exact_keys(stripe_server: FakeStripe, api_client: APIClient) -> None:
    expected = (
        "payment_id status amount currency authorized_amount captured_amount refunded_amount gateway order_id "
        "description metadata created modified capture_method gateway_url"
    )
    assert set(create(api_client).json()) == set(expected.split())


@pytest.mark.parametrize(
    ("amount", "currency", "shown", "minor"),
    [
        ("10", "usd", "10.00", 1000),
        ("10.1", "USD", "10.10", 1010),
        (10, "USD", "10.00", 1000),
        (10.1, "USD", "10.10", 1010),
        (" 7.50 ", "EUR", "7.50", 750),
        ("500", "JPY", "500", 500),
        ("500.00", "JPY", "500", 500),
        ("5", "UGX", "5", 500),
        ("1.230", "KWD", "1.230", 1230),
        ("9999999999.99", "IDR", "9999999999.99", 999999999999),
    ],
)
def test_amounts(
    stripe_server: FakeStripe, api_client: APIClient, amount: Any, currency: str, shown: str, minor: int
) -> None:
    answer = create(api_client, amount=amount, currency=currency)
    assert answer.status_code == 201, answer.json()
    assert (answer.json()["amount"], answer.json()["currency"]) == (shown, currency.upper())
    assert stripe_server.all("checkout.session")[0]["amount_total"] == minor


def test_number_never_becomes_a_float(stripe_server: FakeStripe, api_client: APIClient) -> None:
    """As a float the number would be 1234567.1, and accepted."""
    raw = b'{"gateway": "Stripe", "amount": 1234567.10000000000000000001, "currency": "USD"}'
    answer = api_client.post(f"{ROOT}payments/create_payment/", raw, content_type="application/json")
    assert_error(answer, 400, field="amount")


def test_gateway__by_variant_and_any_case(stripe_server: FakeStripe, api_client: APIClient) -> None:
    assert create(api_client, gateway="STRIPE").json()["gateway"] == "Stripe"
    assert create(api_client, gateway="stripe").json()["gateway"] == "Stripe"


def test_manual_capture(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client, capture_method="manual").json()
    assert shown["capture_method"] == "manual"
    assert intent_server.get(shown["intent_id"])["capture_method"] == "manual"


@pytest.mark.localstripe
def test_confirm_false__waits_for_confirm_intent(localstripe: str, api_client: APIClient) -> None:
    shown = create(api_client, confirm=False).json()
    assert shown["status"] == "waiting"
    assert shown["client_secret"]


@pytest.mark.localstripe
def test_requires_action__development(localstripe: str, api_client: APIClient) -> None:
    answer = create(api_client, payment_method=card_that_asks(localstripe))
    shown = answer.json()
    assert answer.status_code == 201
    assert shown["status"] == "waiting"
    assert shown["requires_action"] is True
    assert shown["client_secret"]


def test_metadata__kept_as_it_was(stripe_server: FakeStripe, api_client: APIClient) -> None:
    metadata = {"note": "żółć", "count": 3, "ratio": 0.5, "gift": True, "empty": ""}
    shown = create(api_client, metadata=metadata).json()
    assert shown["metadata"] == metadata
    assert api_client.get(f"{ROOT}payments/{shown['payment_id']}/").json()["metadata"] == metadata


@pytest.mark.parametrize("name", ["owner", "status", "captured_amount", "variant", "orderid", "payment_id", ""])
def test_unknown_fields(stripe_server: FakeStripe, api_client: APIClient, name: str) -> None:
    """Nobody's misspelt order is paid for nothing."""
    error = assert_error(create(api_client, **{name: "1"}), 400, "unknown_field")
    assert error["field"] == name if name else "field" not in error
    assert "order_id" in error["detail"]
    assert not get_payment_model().objects.exists()


def test_base_url__of_the_request_without_payment_host(
    stripe_server: FakeStripe, api_client: APIClient, settings: Any
) -> None:
    settings.PAYMENT_HOST = None
    assert create(api_client).status_code == 201
    assert stripe_server.all("checkout.session")[0]["success_url"].startswith("http://testserver/api/v1/payments/")


def test_base_url__payment_host_wins(stripe_server: FakeStripe, api_client: APIClient) -> None:
    create(api_client)
    session = stripe_server.all("checkout.session")[0]
    assert session["success_url"].startswith("https://shop.test/api/v1/payments/")
    assert session["cancel_url"].startswith("https://shop.test/api/v1/payments/")


@pytest.mark.localstripe
def test_decline__402_and_still_payable(localstripe: str, api_client: APIClient) -> None:
    answer = create(api_client, payment_method="pm_card_chargeCustomerFail")
    error = assert_error(answer, 402, "card_declined")
    assert error["type"] == "card_error"
    assert error["decline_code"]
    shown = api_client.get(f"{ROOT}payments/{error['payment_id']}/").json()
    assert shown["status"] == "error"
    assert shown["failure_code"] == "card_declined"
    again = act(api_client, error["payment_id"], "confirm_intent", {"payment_method": "pm_card_visa"})
    assert again.status_code == 200
    assert again.json()["status"] == "confirmed"


def test_provider_fails__502_and_nothing_private(stripe_server: FakeStripe, api_client: APIClient) -> None:
    stripe_server.fault("POST", "/v1/checkout/sessions", kind="error_500_before")
    error = assert_error(create(api_client), 502, "provider_unavailable")
    assert error["type"] == "provider_error"
    assert error["request_id"].startswith("req_")


def test_provider_is_silent__504(stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_TIMEOUT = 0.3
    stripe_server.fault("POST", "/v1/checkout/sessions", kind="hang", seconds=3)
    assert_error(create(api_client), 504, "provider_timeout")
