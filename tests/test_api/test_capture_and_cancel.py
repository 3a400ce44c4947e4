"""``capture_payment/``, ``capture_intent/`` and ``cancel_payment/``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error, create

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURES = ["capture_payment", "capture_intent"]


def calls(server: FakeStripe, end: str) -> int:
    """Return how often Stripe was asked."""
    return sum(1 for request in server.requests if request.method == "POST" and request.path.endswith(end))


@pytest.mark.parametrize("action", CAPTURES)
def test_capture__whole(
    intent_server: FakeStripe, api_client: APIClient, preauthorized: dict[str, Any], action: str
) -> None:
    assert preauthorized["status"] == "preauth"
    assert (preauthorized["authorized_amount"], preauthorized["captured_amount"]) == ("10.00", "0.00")
    answer = act(api_client, preauthorized["payment_id"], action)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["captured_amount"]) == ("confirmed", "10.00")
    assert "client_secret" not in answer.json()
    assert intent_server.get(preauthorized["intent_id"])["amount_received"] == 1000


@pytest.mark.parametrize("action", CAPTURES)
@pytest.mark.parametrize("amount", ["4.50", 4.5])
def test_capture__partial(
    intent_server: FakeStripe, api_client: APIClient, preauthorized: dict[str, Any], action: str, amount: Any
) -> None:
    answer = act(api_client, preauthorized["payment_id"], action, {"amount": amount})
    shown = answer.json()
    # What was released says how much there was to take.
    assert (shown["status"], shown["authorized_amount"], shown["captured_amount"]) == ("confirmed", "10.00", "4.50")
    assert intent_server.get(preauthorized["intent_id"])["amount_received"] == 450


@pytest.mark.parametrize("action", CAPTURES)
def test_capture__no_body(api_client: APIClient, preauthorized: dict[str, Any], action: str) -> None:
    answer = api_client.post(f"{ROOT}payments/{preauthorized['payment_id']}/{action}/")
    assert answer.json()["captured_amount"] == "10.00"


def test_capture__repeated(intent_server: FakeStripe, api_client: APIClient, preauthorized: dict[str, Any]) -> None:
    act(api_client, preauthorized["payment_id"], "capture_payment", {"amount": "4.50"})
    again = act(api_client, preauthorized["payment_id"], "capture_payment", {"amount": "4.50"})
    assert_error(again, 409, "wrong_state")
    assert calls(intent_server, "/capture") == 1


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("10.01", "amount_too_large"),
        ("0", "invalid_amount"),
        ("-1", "invalid_amount"),
        ("1.001", "invalid_amount"),
        ("all", "invalid"),
        ("", "invalid"),
        (None, "null"),
        (True, "invalid"),
    ],
)
@pytest.mark.parametrize("action", [*CAPTURES, "refund_payment"])
def test_amount(
    intent_server: FakeStripe, api_client: APIClient, action: str, amount: Any, code: str, request: Any
) -> None:
    payment = request.getfixturevalue("confirmed" if action == "refund_payment" else "preauthorized")
    intent_server.forget_requests()
    assert_error(act(api_client, payment["payment_id"], action, {"amount": amount}), 400, code, "amount")
    assert intent_server.requests == []


@pytest.mark.parametrize("status", ["waiting", "input", "error", "confirmed", "refunded", "rejected", "cancelled"])
@pytest.mark.parametrize("action", CAPTURES)
def test_capture__wrong_state(
    stripe_server: FakeStripe, api_client: APIClient, user: Any, action: str, status: str
) -> None:
    payment = make_payment(owner=user, status=status, transaction_id="pi_1", intent_id="pi_1")
    assert_error(act(api_client, payment.pk, action), 409, "wrong_state")
    assert stripe_server.requests == []


def test_capture__provider_knows_better(
    intent_server: FakeStripe, api_client: APIClient, preauthorized: dict[str, Any]
) -> None:
    intent_server.expire_authorization(preauthorized["intent_id"])
    error = assert_error(act(api_client, preauthorized["payment_id"], "capture_payment"), 409)
    assert error["request_id"].startswith("req_")
    assert api_client.get(f"{ROOT}payments/{preauthorized['payment_id']}/").json()["status"] == "rejected"


@pytest.mark.localstripe
def test_capture__development(localstripe: str, api_client: APIClient) -> None:
    shown = create(api_client, capture_method="manual").json()
    assert shown["status"] == "preauth"
    captured = act(api_client, shown["payment_id"], "capture_intent", {"amount": "6.00"}).json()
    assert (captured["status"], captured["captured_amount"]) == ("confirmed", "6.00")


@pytest.mark.parametrize("action", ["capture_payment", "refund_payment"])
def test_two_at_once__one_takes_effect(
    intent_server: FakeStripe, api_client: APIClient, other_client: APIClient, action: str, request: Any, user: Any
) -> None:
    payment = request.getfixturevalue("confirmed" if action == "refund_payment" else "preauthorized")
    path = "/v1/refunds" if action == "refund_payment" else "/v1/payment_intents/*/capture"
    second = APIClient()
    second.force_authenticate(user)

    def first_request() -> Any:
        try:
            return act(api_client, payment["payment_id"], action)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads, intent_server.hold("POST", path) as hold:
        first = threads.submit(first_request)
        hold.wait()
        refused = act(second, payment["payment_id"], action)
        hold.release()
        assert first.result(20).status_code == 200
    assert_error(refused, 409, "operation_in_progress")
    assert refused["Retry-After"] == "1"
    assert calls(intent_server, "/refunds" if action == "refund_payment" else "/capture") == 1


def test_cancel__waiting_checkout(stripe_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    answer = act(api_client, shown["payment_id"], "cancel_payment")
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert "gateway_url" not in answer.json()
    assert stripe_server.all("checkout.session")[0]["status"] == "expired"


def test_cancel__preauthorized_is_released(
    intent_server: FakeStripe, api_client: APIClient, preauthorized: dict[str, Any]
) -> None:
    answer = act(api_client, preauthorized["payment_id"], "cancel_payment")
    assert answer.json()["status"] == "cancelled"
    assert intent_server.get(preauthorized["intent_id"])["status"] == "canceled"


def test_cancel__never_started(stripe_server: FakeStripe, api_client: APIClient, user: Any) -> None:
    payment = make_payment(owner=user)
    assert act(api_client, payment.pk, "cancel_payment").json()["status"] == "cancelled"
    assert stripe_server.requests == []


@pytest.mark.parametrize("status", ["confirmed", "refunded", "rejected", "cancelled"])
def test_cancel__wrong_state(stripe_server: FakeStripe, api_client: APIClient, user: Any, status: str) -> None:
    payment = make_payment(owner=user, status=status, transaction_id="pi_1", intent_id="pi_1")
    assert_error(act(api_client, payment.pk, "cancel_payment"), 409, "wrong_state")


def test_cancel__repeated(stripe_server: FakeStripe, api_client: APIClient) -> None:
    shown = create(api_client).json()
    act(api_client, shown["payment_id"], "cancel_payment")
    assert_error(act(api_client, shown["payment_id"], "cancel_payment"), 409, "wrong_state")


def test_cancel__paid_meanwhile(stripe_server: FakeStripe, api_client: APIClient) -> None:
    """The customer was faster: nothing is cancelled, and the payment says that it is paid."""
    shown = create(api_client).json()
    stripe_server.complete_checkout(stripe_server.all("checkout.session")[0]["id"])
    assert_error(act(api_client, shown["payment_id"], "cancel_payment"), 409)
    assert api_client.get(f"{ROOT}payments/{shown['payment_id']}/").json()["status"] == "confirmed"
