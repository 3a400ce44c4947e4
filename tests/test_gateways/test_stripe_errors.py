"""What the SDK raises, over HTTP, becomes this app's exceptions with nothing private in them."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    InvalidAmount,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderTimeout,
    ProviderUnavailable,
)
from django_stripe_gateway.gateways.stripe.errors import readable_message
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.values import PaymentRef
from tests.conftest import free_port
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.accounts import intent_gateway, make_request, new_key
from tests.test_gateways.raw_server import RawServer, Script, answering, http_answer

CREATE = "/v1/payment_intents"
REF = PaymentRef("pi_1", "pi_1", "USD")
HALF = b'{"id": "pi_1", "object": "payment_intent", "amount": 10'

Call = Callable[[StripeIntentGateway], object]

CALLS: dict[str, Call] = {
    "create": lambda gateway: gateway.create_payment(make_request(), idempotency_key=new_key()),
    "confirm": lambda gateway: gateway.confirm_payment(REF, make_request(), idempotency_key=new_key()),
    "retrieve": lambda gateway: gateway.retrieve_payment(REF),
    "capture": lambda gateway: gateway.capture_payment(REF, Decimal(1), idempotency_key=new_key()),
    "cancel": lambda gateway: gateway.cancel_payment(REF, idempotency_key=new_key()),
    "refund": lambda gateway: gateway.refund_payment(
        REF, Decimal(1), reason="", metadata={}, idempotency_key=new_key()
    ),
    "list_refunds": lambda gateway: gateway.list_refunds(REF),
}


@pytest.fixture(params=CALLS)
def call(request: Any) -> Call:
    return CALLS[request.param]


def refusal(status: str, **error: Any) -> Script:
    error = {"type": "invalid_request_error", "message": "No."} | error
    return answering(json.dumps({"error": error}).encode(), status, "application/json", "Request-Id: req_1")


def caught(call: Call, url: str, **account: Any) -> GatewayError:
    with pytest.raises(GatewayError) as info:
        call(intent_gateway(url, **account))
    return info.value


def everything_in(error: BaseException) -> str:
    """Return all that a log, an error report or a queue could show of an exception."""
    shown = "".join(traceback.format_exception(error))
    return f"{shown}{error!r}{vars(error)}{pickle.dumps(error)!r}{error.__cause__!r}{error.__context__!r}"


def test_decline(fake_stripe: FakeStripe) -> None:
    gateway = intent_gateway(fake_stripe.url)
    created = gateway.create_payment(make_request(payment_method=""), idempotency_key=new_key())
    request = make_request(payment_method="pm_card_chargeDeclinedInsufficientFunds")
    with pytest.raises(PaymentDeclined) as info:
        gateway.confirm_payment(
            PaymentRef(created.object_id, created.object_id, "USD"), request, idempotency_key=new_key()
        )
    error = info.value
    assert (error.code, error.extra["decline_code"]) == ("card_declined", "insufficient_funds")
    assert error.detail == "Your card has insufficient funds."
    assert error.request_id == fake_stripe.requests[-1].request_id
    assert error.intent_id == created.object_id
    assert error.as_dict()["decline_code"] == "insufficient_funds"


def test_decline__without_a_decline_code(call: Call) -> None:
    with RawServer(refusal("402 Payment Required", type="card_error", code="expired_card")) as server:
        error = caught(call, server.url)
    assert isinstance(error, PaymentDeclined)
    assert (error.code, error.extra["decline_code"], error.request_id) == ("expired_card", "expired_card", "req_1")


def test_402__that_is_no_decline(call: Call) -> None:
    with RawServer(refusal("402 Payment Required", code="balance_insufficient")) as server:
        error = caught(call, server.url)
    assert type(error) is ProviderError
    assert (error.code, error.detail, error.request_id) == ("balance_insufficient", "No.", "req_1")


@pytest.mark.parametrize(
    "code",
    [
        "payment_intent_unexpected_state",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_expired_for_capture",
        "charge_disputed",
        "capture_charge_authorization_expired",
        "refund_disputed_payment",
    ],
)
def test_wrong_state(call: Call, code: str) -> None:
    with RawServer(refusal("400 Bad Request", code=code)) as server:
        error = caught(call, server.url)
    assert isinstance(error, ProviderStateError)
    assert (error.code, error.request_id) == (code, "req_1")


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("create", "", ProviderError),
        ("create", "amount_too_large", InvalidAmount),
        ("create", "parameter_invalid_integer", ProviderError),
        ("capture", "", ProviderStateError),
        ("capture", "amount_too_large", ProviderStateError),
        ("capture", "parameter_invalid_integer", ProviderError),
        ("refund", "", ProviderStateError),
        ("refund", "resource_missing", ProviderError),
        ("cancel", "", ProviderStateError),
        ("retrieve", "", ProviderError),
    ],
)
def test_refusal_without_a_code(name: str, code: str, expected: type[GatewayError]) -> None:
    with RawServer(refusal("400 Bad Request", **({"code": code} if code else {}))) as server:
        assert type(caught(CALLS[name], server.url)) is expected


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_key_refused(call: Call, status: str) -> None:
    secret = "sk_test_51AbCdEfGhIjKlMnOp"
    message = f"Invalid API Key provided: {secret[:8]}********{secret[-4:]}"
    with RawServer(refusal(status, message=message)) as server:
        error = caught(call, server.url, api_key=secret)
    assert isinstance(error, GatewayConfigurationError)
    assert (error.code, error.request_id) == ("provider_authentication", "req_1")
    assert "STRIPE_GATEWAY_API_KEY" in error.detail
    shown = everything_in(error)
    assert "sk_test" not in shown
    assert secret[-4:] not in shown


def test_key_refused__by_the_fake(fake_stripe: FakeStripe) -> None:
    error = caught(CALLS["create"], fake_stripe.url, api_key="sk_test_unknown_to_the_server")
    assert isinstance(error, GatewayConfigurationError)
    assert "sk_test" not in everything_in(error)
    assert "rver" not in error.detail


@pytest.mark.parametrize("api_key", ["", "sk_test_…", "sk_test_ 1", "sk_test_1\n", "sk_test_1\r\nX-Evil: 1", "ключ"])
def test_key_that_cannot_be_one(call: Call, api_key: str) -> None:
    error = caught(call, "http://127.0.0.1:1", api_key=api_key)
    assert isinstance(error, GatewayConfigurationError)
    assert not api_key or api_key not in everything_in(error)
    assert "'stripe'" in error.detail


def test_timeout__no_answer(fake_stripe: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_TIMEOUT = 0.3
    fake_stripe.fault("POST", CREATE, kind="hang", seconds=1)
    start = time.monotonic()
    error = caught(CALLS["create"], fake_stripe.url)
    assert time.monotonic() - start < 1
    assert type(error) is ProviderTimeout
    assert (error.status_code, error.replayable) == (504, True)


def test_timeout__half_an_answer(call: Call, settings: Any) -> None:
    settings.STRIPE_GATEWAY_TIMEOUT = 0.3

    def half(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(http_answer(HALF * 10)[: -len(HALF)])
        connection.recv(1)  # until the client hangs up
        return False

    with RawServer(half) as server:
        assert type(caught(call, server.url)) is ProviderTimeout


def test_timeout__connecting(settings: Any) -> None:
    settings.STRIPE_GATEWAY_TIMEOUT = 0.3
    # Once its queue is full, a listener that accepts nobody answers nobody.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        try:
            error = caught(CALLS["retrieve"], f"http://127.0.0.1:{address[1]}")
        finally:
            for client in waiting:
                client.close()
    assert type(error) is ProviderTimeout


def test_connection_refused(call: Call) -> None:
    error = caught(call, f"http://127.0.0.1:{free_port()}")
    assert type(error) is ProviderUnavailable
    assert error.replayable


def test_connection_refused__the_log_says_why(caplog: Any) -> None:
    with caplog.at_level(logging.WARNING, "django_stripe_gateway"):
        caught(CALLS["create"], f"http://127.0.0.1:{free_port()}")
    assert "Stripe could not be reached: ConnectionError, " in caplog.text
    assert "token-of" not in caplog.text


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_connection_reset(fake_stripe: FakeStripe, kind: Any) -> None:
    fake_stripe.fault("POST", CREATE, kind=kind)
    error = caught(CALLS["create"], fake_stripe.url)
    assert type(error) is ProviderUnavailable
    assert error.replayable


@pytest.mark.parametrize("kind", ["error_500_before", "error_500_after"])
def test_500(fake_stripe: FakeStripe, kind: Any) -> None:
    fake_stripe.fault("POST", CREATE, kind=kind)
    error = caught(CALLS["create"], fake_stripe.url)
    assert type(error) is ProviderUnavailable
    assert not error.replayable
    assert error.request_id == fake_stripe.requests[-1].request_id


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_5xx__not_json(call: Call, status: str) -> None:
    with RawServer(answering(b"<html>ada@example.com", status, "text/html")) as server:
        error = caught(call, server.url)
    assert type(error) is ProviderUnavailable
    assert "ada@" not in everything_in(error)


def test_429(fake_stripe: FakeStripe) -> None:
    fake_stripe.fault("POST", CREATE, kind="rate_limit")
    error = caught(CALLS["create"], fake_stripe.url)
    assert type(error) is ProviderUnavailable
    assert error.replayable


def test_409__locked(fake_stripe: FakeStripe) -> None:
    fake_stripe.fault("POST", CREATE, kind="error_409_lock")
    error = caught(CALLS["create"], fake_stripe.url)
    assert type(error) is ProviderUnavailable
    assert error.replayable


@pytest.mark.parametrize("status", ["409 Conflict", "429 Too Many Requests"])
def test_lock_timeout(call: Call, status: str) -> None:
    with RawServer(refusal(status, code="lock_timeout")) as server:
        error = caught(call, server.url)
    assert type(error) is ProviderUnavailable
    assert error.replayable


def test_409__key_in_use(call: Call) -> None:
    with RawServer(refusal("409 Conflict", code="idempotency_key_in_use")) as server:
        error = caught(call, server.url)
    assert type(error) is ProviderUnavailable
    assert error.replayable


def test_key_used_for_another_request(fake_stripe: FakeStripe) -> None:
    gateway = intent_gateway(fake_stripe.url)
    key = f"the-{len('same')}-same"
    gateway.create_payment(make_request(), idempotency_key=key)
    with pytest.raises(ProviderUnavailable) as info:
        gateway.create_payment(make_request("11.00"), idempotency_key=key)
    # Only another key can bring an answer.
    assert not info.value.replayable
    assert key not in everything_in(info.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>upstream went away</html>",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"[{}]",
        b"{}",
        b'{"object": "payment_intent"}',
        b'{"object": "list"}',
        b'{"object": "list", "data": [7]}',
        b'{"object": "list", "data": {"a": 1}, "has_more": true}',
        HALF,
        HALF + b'.5, "currency": "usd", "status": "succeeded"}',
        b'{"id": "pi_1", "object": "payment_intent", "amount": "10", "currency": "usd", "status": "succeeded"}',
        b'{"id": "pi_1", "object": "payment_intent", "amount": -1, "currency": "usd", "status": "succeeded"}',
        b'{"id": "pi_1", "object": "payment_intent", "amount": 10, "currency": "xxx", "status": "succeeded"}',
        b'{"id": {}, "object": "payment_intent", "amount": 10, "currency": "usd", "status": []}',
    ],
)
def test_200__that_is_no_answer(call: Call, body: bytes) -> None:
    """Stripe may have acted: an operation must not be given up for it, and the same key brings the true answer."""
    with RawServer(answering(body)) as server:
        error = caught(call, server.url)
    assert type(error) is ProviderUnavailable
    assert (error.code, error.replayable) == ("malformed_object", True)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": 7}', b'{"error": [1]}', b'{"error": "invalid_grant"}'])
def test_4xx__not_from_stripe(call: Call, body: bytes) -> None:
    with RawServer(answering(body, "404 Not Found")) as server:
        error = caught(call, server.url)
    assert isinstance(error, ProviderError)
    assert "html" not in everything_in(error)


def test_408__of_a_proxy(call: Call) -> None:
    with RawServer(answering(b"", "408 Request Timeout")) as server:
        assert type(caught(call, server.url)) is ProviderUnavailable


def test_garbage__by_the_fake(fake_stripe: FakeStripe) -> None:
    fake_stripe.fault("POST", CREATE, kind="garbage")
    gateway = intent_gateway(fake_stripe.url)
    with pytest.raises(ProviderUnavailable):
        gateway.create_payment(make_request(), idempotency_key="garbled")
    snapshot = gateway.create_payment(make_request(), idempotency_key="garbled")
    assert [intent["id"] for intent in fake_stripe.all("payment_intent")] == [snapshot.object_id]


def test_address_that_is_no_url() -> None:
    error = caught(CALLS["create"], "localhost:8420")
    assert isinstance(error, GatewayConfigurationError)
    assert "STRIPE_GATEWAY_API_BASE" in error.detail


def test_error__holds_neither_request_nor_customer(call: Call) -> None:
    message = "Invalid email address: ada@example.com, key sk_test_51AbCd, pi_1_secret_xyz, 4242 4242 4242 4242."
    with RawServer(refusal("400 Bad Request", message=message, code="email_invalid", param="email")) as server:
        error = caught(call, server.url)
    assert "Invalid email address: […]" in error.detail
    shown = everything_in(error)
    for private in ("ada@", "sk_test", "_secret_", "4242", "token-of", "pm_card_visa", "Order 7"):
        assert private not in shown


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No such payment_intent: 'pi_1AbC'", "No such payment_intent: 'pi_1AbC'"),
        ("Refund amount ($11.00) is greater than charge amount ($10.00)",) * 2,
        ("Amount 99999999 is too large", "Amount 99999999 is too large"),
        ("Invalid email: <ada@example.com>", "Invalid email: <[…]>"),
        ("key 'rk_live_51H8abc'", "key '[…]"),
        ("secret whsec_abc", "secret […]"),
        ("card 4242-4242-4242-4242", "card […]"),
        ("x" * 600, "x" * 500),
        (None, ""),
        (7, ""),
    ],
)
def test_readable_message(message: Any, expected: str) -> None:
    assert readable_message(message) == expected


def test_error__survives_a_queue() -> None:
    error = ProviderUnavailable("Later.", request_id="req_1", replayable=False)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.detail, copy.request_id, copy.replayable) == ("Later.", "req_1", False)
