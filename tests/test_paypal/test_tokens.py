from __future__ import annotations

import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from django_stripe_gateway.conf import PAYPAL_PROVIDER
from django_stripe_gateway.exceptions import GatewayConfigurationError, ProviderUnavailable
from django_stripe_gateway.gateways.paypal.accounts import (
    LIVE_API,
    SANDBOX_API,
    paypal_account,
    paypal_accounts,
    share_paypal_account,
)
from django_stripe_gateway.gateways.paypal.client import call, pool, tokens
from tests.fake_paypal.server import CLIENT_SECRET, FakePayPal
from tests.test_paypal.test_gateway import Buyer

TOKEN = "/v1/oauth2/token"


def token_requests(paypal: FakePayPal) -> int:
    return len([request for request in paypal.requests if request.path == TOKEN])


def test_token__is_kept(paypal: FakePayPal) -> None:
    buyer = Buyer(paypal)
    for _ in range(3):
        buyer.create()
    assert token_requests(paypal) == 1


def test_token__is_renewed_before_it_ends(paypal: FakePayPal) -> None:
    paypal.api.token_seconds = 59
    buyer = Buyer(paypal)
    buyer.create()
    buyer.create()
    assert token_requests(paypal) == 2


def test_token__ended_early(paypal: FakePayPal) -> None:
    buyer = Buyer(paypal)
    buyer.create()
    paypal.api.tokens.clear()
    buyer.create()
    assert token_requests(paypal) == 2
    assert len(paypal.state.orders) == 2


def test_token__one_for_all_threads(paypal: FakePayPal) -> None:
    buyer = Buyer(paypal)
    with paypal.hold("POST", "/v2/checkout/orders") as hold, ThreadPoolExecutor(8) as threads:
        made = [threads.submit(buyer.create) for _ in range(8)]
        hold.wait(1)
        hold.release()
        assert len({future.result().object_id for future in made}) == 8
    assert token_requests(paypal) == 1


def test_token__of_its_own_account(paypal: FakePayPal, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {
        "paypal": (PAYPAL_PROVIDER, {}),
        "other": (PAYPAL_PROVIDER, {"client_id": "x", "client_secret": "y"}),
    }
    Buyer(paypal).create()
    with pytest.raises(GatewayConfigurationError):
        call(paypal_account("other"), "GET", "/v2/checkout/orders/1")


@pytest.mark.parametrize("kind", ["error_500_before", "reset_before", "garbage"])
def test_token__fails(paypal: FakePayPal, kind: Any) -> None:
    paypal.fault("POST", TOKEN, kind=kind)
    with pytest.raises(ProviderUnavailable):
        Buyer(paypal).create()
    assert Buyer(paypal).create().object_id


def test_secrets__are_in_no_log(paypal: FakePayPal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    buyer = Buyer(paypal)
    buyer.create()
    paypal.fault("POST", "/v2/checkout/orders", kind="reset_after")
    with pytest.raises(ProviderUnavailable) as caught:
        buyer.create()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "A21AA" not in caplog.text
    assert CLIENT_SECRET not in caplog.text


def test_connections__are_shared(paypal: FakePayPal) -> None:
    buyer = Buyer(paypal)
    for _ in range(5):
        buyer.create()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(buyer.create).result()
    assert paypal.connections == 1


def test_fork__forgets(paypal: FakePayPal) -> None:
    Buyer(paypal).create()
    session = pool.get()
    pool.forget()
    tokens.forget()
    try:
        assert pool.get() is not session
        Buyer(paypal).create()
        assert token_requests(paypal) == 2
    finally:
        session.close()


def test_netrc__is_not_read(paypal: FakePayPal, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert Buyer(paypal).create().object_id


# Accounts


def test_account__defaults(paypal: FakePayPal, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_API_BASE = ""
    assert paypal_account("paypal").api_base == SANDBOX_API
    settings.STRIPE_GATEWAY_PAYPAL_SANDBOX = False
    account = paypal_account("paypal")
    assert (account.api_base, account.livemode) == (LIVE_API, True)


def test_account__own_app_has_own_secrets(paypal: FakePayPal, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {
        "paypal": (PAYPAL_PROVIDER, {}),
        "own": (PAYPAL_PROVIDER, {"client_id": "x", "capture": False, "sandbox": False}),
        "same": (PAYPAL_PROVIDER, {"webhook_id": "A, B"}),
    }
    own = paypal_account("own")
    assert (own.client_secret, own.webhook_ids, own.manual_capture, own.livemode) == ("", (), True, True)
    assert paypal_account("same").webhook_ids == ("A", "B")
    assert [account.variant for account in paypal_accounts()] == ["paypal", "own", "same"]
    assert share_paypal_account("paypal", "same")
    assert not share_paypal_account("paypal", "own")
    assert not share_paypal_account("paypal", "stripe")


def test_account__unknown(paypal: FakePayPal) -> None:
    with pytest.raises(GatewayConfigurationError):
        paypal_account("stripe")


def test_account__pickles_its_name_only(paypal: FakePayPal) -> None:
    pickled = pickle.dumps(paypal_account("paypal"))
    assert CLIENT_SECRET.encode() not in pickled
    assert pickle.loads(pickled) == paypal_account("paypal")
