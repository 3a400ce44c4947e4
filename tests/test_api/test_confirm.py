"""``confirm_intent/``."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from rest_framework.test import APIClient

from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error, card_that_asks, create

pytestmark = pytest.mark.django_db(transaction=True)


def test_confirm(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    answer = act(api_client, shown["payment_id"], "confirm_intent", {"payment_method": "pm_card_visa"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["captured_amount"]) == ("confirmed", "10.00")
    assert "client_secret" not in answer.json()
    assert "requires_action" not in answer.json()


def test_confirm__payment_method_it_already_has(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client, payment_method="pm_card_visa").json()
    assert act(api_client, shown["payment_id"], "confirm_intent").json()["status"] == "confirmed"


def test_confirm__manual_capture(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client, capture_method="manual", payment_method="pm_card_visa").json()
    assert act(api_client, shown["payment_id"], "confirm_intent").json()["status"] == "preauth"


def test_requires_action__then_confirmed(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    data = {"payment_method": "pm_card_threeDSecure2Required"}
    answer = act(api_client, shown["payment_id"], "confirm_intent", data)
    assert answer.status_code == 200
    assert answer.json()["status"] == "waiting"
    assert answer.json()["requires_action"] is True
    assert answer.json()["client_secret"] == shown["client_secret"]
    # The secret is in the answers to those who act, and nowhere else.
    seen = api_client.get(f"{ROOT}payments/{shown['payment_id']}/").json()
    assert seen["requires_action"] is True
    assert "client_secret" not in seen
    intent_server.customer_authenticates(shown["intent_id"])
    assert act(api_client, shown["payment_id"], "confirm_intent").json()["status"] == "confirmed"


@pytest.mark.localstripe
def test_requires_action__development(localstripe: str, api_client: APIClient) -> None:
    shown = create(api_client, payment_method=card_that_asks(localstripe)).json()
    assert shown["requires_action"] is True
    requests.post(
        f"{localstripe}/v1/payment_intents/{shown['intent_id']}/_authenticate",
        data={"client_secret": shown["client_secret"], "success": "true"},
        auth=("sk_test_123", ""),
        timeout=10,
    ).raise_for_status()
    assert act(api_client, shown["payment_id"], "confirm_intent").json()["status"] == "confirmed"


@pytest.mark.localstripe
def test_confirm__development(localstripe: str, api_client: APIClient) -> None:
    shown = create(api_client, confirm=False).json()
    assert act(api_client, shown["payment_id"], "confirm_intent").json()["status"] == "confirmed"


def test_decline__402_then_another_card(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    data = {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"}
    error = assert_error(act(api_client, shown["payment_id"], "confirm_intent", data), 402, "card_declined")
    assert error["type"] == "card_error"
    assert error["decline_code"] == "insufficient_funds"
    assert error["payment_id"] == shown["payment_id"]
    assert error["request_id"].startswith("req_")
    seen = api_client.get(f"{ROOT}payments/{shown['payment_id']}/").json()
    assert (seen["status"], seen["decline_code"]) == ("error", "insufficient_funds")
    answer = act(api_client, shown["payment_id"], "confirm_intent", {"payment_method": "pm_card_visa"})
    assert answer.json()["status"] == "confirmed"
    assert "decline_code" not in answer.json()


def test_unknown_payment_method(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    answer = act(api_client, shown["payment_id"], "confirm_intent", {"payment_method": "pm_none"})
    assert_error(answer, 400, "unknown_payment_method", "payment_method")
    assert api_client.get(f"{ROOT}payments/{shown['payment_id']}/").json()["status"] in ("waiting", "error")


def test_checkout__is_confirmed_on_its_page(stripe_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    assert_error(act(api_client, shown["payment_id"], "confirm_intent"), 409, "not_confirmable")


@pytest.mark.parametrize("status", ["preauth", "confirmed", "refunded", "rejected", "cancelled"])
def test_wrong_state(intent_server: FakeStripe, api_client: APIClient, user: Any, status: str) -> None:
    payment = make_payment(owner=user, status=status, transaction_id="pi_1", intent_id="pi_1")
    assert_error(act(api_client, payment.pk, "confirm_intent"), 409, "wrong_state")
    assert intent_server.requests == []


@pytest.mark.parametrize("method", ["", None, 5.5, "pm card", ["pm_card_visa"], "x" * 256])
def test_payment_method__invalid(intent_server: FakeStripe, api_client: APIClient, user: Any, method: Any) -> None:
    payment = make_payment(owner=user, transaction_id="pi_1", intent_id="pi_1")
    assert_error(act(api_client, payment.pk, "confirm_intent", {"payment_method": method}), 400, field="payment_method")
