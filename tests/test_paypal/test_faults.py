from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.exceptions import GatewayConfigurationError, ProviderTimeout, ProviderUnavailable
from django_stripe_gateway.gateways.values import ProviderStatus
from tests.fake_paypal.server import FakePayPal
from tests.test_paypal.test_gateway import TEN, Buyer, make_request


@pytest.fixture
def buyer(paypal: FakePayPal) -> Buyer:
    return Buyer(paypal)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error_500_before", ProviderUnavailable),
        ("error_500_after", ProviderUnavailable),
        ("reset_before", ProviderUnavailable),
        ("reset_after", ProviderUnavailable),
        ("rate_limit", ProviderUnavailable),
        ("error_409_lock", ProviderUnavailable),
        ("garbage", ProviderUnavailable),
        ("hang", ProviderTimeout),
    ],
)
@pytest.mark.parametrize("action", ["create", "confirm", "capture", "refund"])
def test_fault__repeated_under_the_same_key(
    buyer: Buyer, paypal: FakePayPal, settings: Any, kind: Any, error: type[Exception], action: str
) -> None:
    ref = {
        "create": lambda: None,
        "confirm": buyer.approved,
        "capture": lambda: buyer.paid(manual=True),
        "refund": buyer.paid,
    }[action]()
    act, path = {
        "create": (lambda: buyer.gateway.create_payment(make_request(), idempotency_key="k"), "/v2/checkout/orders"),
        "confirm": (lambda: buyer.confirm(ref, idempotency_key="k"), "/v2/checkout/orders/*/capture"),
        "capture": (
            lambda: buyer.gateway.capture_payment(ref, TEN, idempotency_key="k"),
            "/v2/payments/authorizations/*/capture",
        ),
        "refund": (lambda: buyer.refund(ref, "1.00", idempotency_key="k"), "/v2/payments/captures/*/refund"),
    }[action]
    made = len(paypal.acted(""))
    paypal.fault("POST", path, kind=kind, seconds=0.9)
    patience = settings.STRIPE_GATEWAY_TIMEOUT
    # Short only where it has to run out.
    settings.STRIPE_GATEWAY_TIMEOUT = 0.5 if kind == "hang" else patience
    with pytest.raises(error) as caught:
        act()
    assert caught.value.replayable  # type: ignore[attr-defined]
    settings.STRIPE_GATEWAY_TIMEOUT = patience
    act()
    assert len(paypal.acted("")) == made + 1


def test_retries__settle_it_within_the_call(buyer: Buyer, paypal: FakePayPal, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 2
    ref = buyer.approved()
    paypal.fault("POST", "/v2/checkout/orders/*/capture", kind="error_500_after")
    paypal.fault("POST", "/v2/checkout/orders/*/capture", kind="reset_before")
    assert buyer.confirm(ref).status == ProviderStatus.SUCCEEDED
    sent = [request.request_id for request in paypal.requests if request.path.endswith("/capture")]
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert len(paypal.state.captures) == 1


def test_nobody_there(buyer: Buyer, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable):
        Buyer(buyer.fake).create()


@pytest.mark.parametrize("address", ["ftp://127.0.0.1", "127.0.0.1", "http://"])
def test_no_address(buyer: Buyer, settings: Any, address: str) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_API_BASE = address
    with pytest.raises(GatewayConfigurationError):
        Buyer(buyer.fake).create()


def test_wrong_credentials(buyer: Buyer, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_CLIENT_SECRET = "another-secret"
    with pytest.raises(GatewayConfigurationError) as caught:
        Buyer(buyer.fake).create()
    assert caught.value.code == "provider_authentication"
    assert "another-secret" not in caught.value.detail


@pytest.mark.parametrize("name", ["PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET"])
def test_no_credentials(buyer: Buyer, settings: Any, name: str) -> None:
    setattr(settings, f"STRIPE_GATEWAY_{name}", "")
    with pytest.raises(GatewayConfigurationError, match="STRIPE_GATEWAY_PAYPAL_CLIENT_ID"):
        Buyer(buyer.fake).create()
