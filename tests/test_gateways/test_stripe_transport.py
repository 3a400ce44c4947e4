"""What goes over the wire, and what must not: proxies, netrc, cookies, redirects, certificates, stale connections."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.gateways.values import PaymentRef
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.accounts import intent_gateway, make_request, new_key
from tests.test_gateways.raw_server import RawServer, answering, http_answer

INTENT = json.dumps(
    {"id": "pi_1", "object": "payment_intent", "amount": 1000, "currency": "usd", "status": "succeeded"}
).encode()
REF = PaymentRef("pi_1", "pi_1", "USD")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_netrc__does_not_replace_the_key(tmp_path: Path) -> None:
    """By default requests prefers it to the header: the API key of whoever's host that is would be unused."""
    for name in (".netrc", "_netrc"):
        path = tmp_path / name
        path.write_text("machine 127.0.0.1 login ada password of-ada\ndefault login eve password of-eve\n")
        path.chmod(0o600)
    with RawServer(answering(INTENT)) as server:
        gateway = intent_gateway(server.url)
        gateway.retrieve_payment(REF)
        gateway.capture_payment(REF, make_request().amount, idempotency_key=new_key())
        for number in (0, 1):
            assert server.header("Authorization", number) == "Bearer sk_test_fake"


def test_cookies__are_not_kept() -> None:
    with RawServer(answering(INTENT, "200 OK", "application/json", "Set-Cookie: session=1; Path=/")) as server:
        gateway = intent_gateway(server.url)
        gateway.retrieve_payment(REF)
        gateway.retrieve_payment(REF)
        assert server.header("Cookie") == ""


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
def test_redirects__are_not_followed(status: str) -> None:
    with RawServer(answering(INTENT)) as elsewhere:
        location = f"Location: {elsewhere.url}/v1/payment_intents"
        with RawServer(answering(b"", status, "text/html", location)) as server:
            gateway = intent_gateway(server.url)
            with pytest.raises(ProviderUnavailable, match="redirect"):
                gateway.retrieve_payment(REF)
            with pytest.raises(ProviderUnavailable, match="redirect"):
                gateway.create_payment(make_request(), idempotency_key=new_key())
        assert elsewhere.requests == []


def test_proxy__of_the_environment(monkeypatch: Any) -> None:
    with RawServer(answering(INTENT)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        intent_gateway("http://stripe.invalid").retrieve_payment(REF)
        assert proxy.requests[0].startswith(
            b"GET http://stripe.invalid/v1/payment_intents/pi_1?expand%5B0%5D=latest_charge HTTP/1.1\r\n"
        )


def test_proxy__tunnels_https(monkeypatch: Any) -> None:
    with RawServer(answering(b"", "502 Bad Gateway")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(ProviderUnavailable):
            intent_gateway("").retrieve_payment(REF)
        assert proxy.requests[0].startswith(b"CONNECT api.stripe.com:443 HTTP/1.")
        # The key is for Stripe's ears only.
        assert b"sk_test" not in b"".join(proxy.requests)


def test_proxy__not_for_these(monkeypatch: Any) -> None:
    with RawServer(answering(INTENT)) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        intent_gateway(server.url).retrieve_payment(REF)
        assert len(server.requests) == 1


@pytest.fixture
def unknown_certificate(tmp_path: Path) -> ssl.SSLContext:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext".split()
    command += ["subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not there to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


def test_certificate__is_verified(unknown_certificate: ssl.SSLContext, tmp_path: Path, monkeypatch: Any) -> None:
    # Only that it is checked at all: the SDK brings its own list of authorities, whatever these say.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    with RawServer(answering(INTENT), unknown_certificate) as server:
        with pytest.raises(ProviderUnavailable, match="certificate"):
            intent_gateway(server.url).retrieve_payment(REF)
        assert server.requests == []


def test_certificate__is_verified_whatever_another_app_sets(
    unknown_certificate: ssl.SSLContext, monkeypatch: Any
) -> None:
    import stripe

    monkeypatch.setattr(stripe, "verify_ssl_certs", False)
    with RawServer(answering(INTENT), unknown_certificate) as server, pytest.raises(ProviderUnavailable):
        intent_gateway(server.url).retrieve_payment(REF)


def test_idle_connection__that_the_server_closed(settings: Any) -> None:
    """It is noticed before anything is written to it."""
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
    with RawServer(answering(INTENT)) as server:
        gateway = intent_gateway(server.url)
        for _ in range(3):
            gateway.capture_payment(REF, make_request().amount, idempotency_key=new_key())
            server.close_connections()
        assert (server.connections, len(server.requests)) == (3, 3)


def _closes_as_the_second_request_comes(count: list[int]) -> Any:
    def answer(connection: socket.socket, request: bytes) -> bool:
        count.append(1)
        if len(count) == 2:
            return False  # read, and never answered
        connection.sendall(http_answer(INTENT))
        return True

    return answer


def test_connection_closed_under_a_request__is_not_silently_sent_again(settings: Any) -> None:
    """Whether the server acted is unknown: only the caller, with its key, may decide to ask again."""
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
    with RawServer(_closes_as_the_second_request_comes([])) as server:
        gateway = intent_gateway(server.url)
        gateway.capture_payment(REF, make_request().amount, idempotency_key="first")
        with pytest.raises(ProviderUnavailable) as caught:
            gateway.capture_payment(REF, make_request().amount, idempotency_key="second")
        assert caught.value.replayable
        assert len(server.requests) == 2


def test_connection_closed_under_a_request__is_retried_with_its_key(settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 1
    with RawServer(_closes_as_the_second_request_comes([])) as server:
        gateway = intent_gateway(server.url)
        gateway.capture_payment(REF, make_request().amount, idempotency_key="first")
        gateway.capture_payment(REF, make_request().amount, idempotency_key="second")
        assert [server.header("Idempotency-Key", n) for n in range(3)] == ["first", "second", "second"]


def test_idle_connections__many_threads(fake_stripe: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
    gateway = intent_gateway(fake_stripe.url)
    for _ in range(5):
        gateway.create_payment(make_request(), idempotency_key=new_key())
        fake_stripe.close_connections()
    assert fake_stripe.connections == 5
