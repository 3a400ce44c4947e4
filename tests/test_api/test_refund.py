"""``refund_payment/``."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error, create

pytestmark = pytest.mark.django_db(transaction=True)


def test_whole(intent_server: FakeStripe, api_client: APIClient, confirmed: dict[str, Any]) -> None:
    answer = act(api_client, confirmed["payment_id"], "refund_payment")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["status"], shown["refunded_amount"], shown["captured_amount"]) == ("refunded", "10.00", "10.00")
    refund = intent_server.all("refund")[0]
    created = shown["refund"].pop("created")
    assert created
    assert shown["refund"] == {
        "refund_id": refund["id"],
        "amount": "10.00",
        "currency": "USD",
        "status": "succeeded",
        "reason": "",
    }
    assert shown["payment_id"] == confirmed["payment_id"]


def test_partial_then_the_rest_then_no_more(
    intent_server: FakeStripe, api_client: APIClient, confirmed: dict[str, Any]
) -> None:
    first = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}).json()
    assert (first["status"], first["refunded_amount"], first["refund"]["amount"]) == ("confirmed", "3.00", "3.00")
    above = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "7.01"})
    assert_error(above, 400, "amount_too_large", "amount")
    rest = act(api_client, confirmed["payment_id"], "refund_payment").json()
    assert (rest["status"], rest["refunded_amount"], rest["refund"]["amount"]) == ("refunded", "10.00", "7.00")
    assert_error(act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "0.01"}), 409, "wrong_state")
    assert [refund["amount"] for refund in intent_server.all("refund")] == [300, 700]


def test_reason(intent_server: FakeStripe, api_client: APIClient, confirmed: dict[str, Any]) -> None:
    data = {"amount": "1", "reason": "requested_by_customer"}
    shown = act(api_client, confirmed["payment_id"], "refund_payment", data).json()
    assert shown["refund"]["reason"] == "requested_by_customer"
    assert intent_server.all("refund")[0]["reason"] == "requested_by_customer"


@pytest.mark.parametrize("reason", ["because", "", None, 5, ["duplicate"]])
def test_reason__invalid(
    intent_server: FakeStripe, api_client: APIClient, confirmed: dict[str, Any], reason: Any
) -> None:
    answer = act(api_client, confirmed["payment_id"], "refund_payment", {"reason": reason})
    assert_error(answer, 400, field="reason")
    assert intent_server.all("refund") == []


@pytest.mark.parametrize("status", ["waiting", "input", "error", "preauth", "rejected", "cancelled", "refunded"])
def test_wrong_state(stripe_server: FakeStripe, api_client: APIClient, user: Any, status: str) -> None:
    payment = make_payment(owner=user, status=status, transaction_id="pi_1", intent_id="pi_1")
    assert_error(act(api_client, payment.pk, "refund_payment"), 409, "wrong_state")
    assert stripe_server.requests == []


def test_pending(intent_server: FakeStripe, api_client: APIClient, confirmed: dict[str, Any]) -> None:
    intent_server.refunds_stay_pending = True
    shown = act(api_client, confirmed["payment_id"], "refund_payment").json()
    assert (shown["status"], shown["refunded_amount"], shown["refund"]["status"]) == ("confirmed", "0.00", "pending")
    assert_error(act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "1"}), 409, "wrong_state")


def test_only_in_this_answer(api_client: APIClient, confirmed: dict[str, Any]) -> None:
    act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "1"})
    assert "refund" not in api_client.get(f"{ROOT}payments/{confirmed['payment_id']}/").json()


def test_three_decimals(intent_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client, amount="1.500", currency="KWD", payment_method="pm_card_visa").json()
    act(api_client, shown["payment_id"], "confirm_intent")
    assert_error(act(api_client, shown["payment_id"], "refund_payment", {"amount": "0.005"}), 400, "invalid_amount")
    answer = act(api_client, shown["payment_id"], "refund_payment", {"amount": "0.25"}).json()
    assert (answer["refunded_amount"], answer["refund"]["amount"]) == ("0.250", "0.250")
    assert intent_server.all("refund")[0]["amount"] == 250


def test_provider_fails__repeat_makes_one_refund(
    intent_server: FakeStripe, api_client: APIClient, confirmed: dict[str, Any]
) -> None:
    intent_server.fault("POST", "/v1/refunds", kind="reset_after")
    assert_error(act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3"}), 502)
    shown = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3"}).json()
    assert shown["refunded_amount"] == "3.00"
    assert len(intent_server.all("refund")) == 1


@pytest.mark.localstripe
def test_development(localstripe: str, api_client: APIClient) -> None:
    shown = create(api_client).json()
    first = act(api_client, shown["payment_id"], "refund_payment", {"amount": "3.00"}).json()
    assert (first["status"], first["refunded_amount"]) == ("confirmed", "3.00")
    rest = act(api_client, shown["payment_id"], "refund_payment").json()
    assert (rest["status"], rest["refunded_amount"]) == ("refunded", "10.00")
    assert_error(act(api_client, shown["payment_id"], "refund_payment", {"amount": "1"}), 409, "wrong_state")
