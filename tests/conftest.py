"""Fixtures for all tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.dispatch import Signal
from django.test import TransactionTestCase
from rest_framework.test import APIClient

from django_stripe_gateway import signals
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.calls import pool
from django_stripe_gateway.models import PaymentGatewayConfig
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.emptying import teardown
from tests.factories import make_user
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.fake_stripe.server import FakeStripe
from tests.waiting import wait_until

pytest_plugins = ["tests.cases", "tests.fake_stripe.fixtures"]
# So that a failed assertion of the shipped suite says what it has compared.
pytest.register_assert_rewrite("django_stripe_gateway.testing")

SIGNALS: dict[str, Signal] = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}


@pytest.fixture(autouse=True, scope="session")
def _quick_teardown() -> Iterator[None]:
    """Empty tables the short way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


@pytest.fixture(autouse=True)
def _known_account() -> Iterator[None]:
    """Know whose the key of the tests is, where they have one, so that no test begins with a call that asks."""
    known_accounts.forget()
    if "stripe" in settings.PAYMENT_VARIANTS:
        known_accounts.add("stripe", stripe_account("stripe").key_digest, DEFAULT_ACCOUNT)
    yield
    known_accounts.forget()


@pytest.fixture(autouse=True)
def _default_gateway(request: pytest.FixtureRequest) -> None:
    """Bring back the row of the data migration, which tests with real transactions flush."""
    if request.node.get_closest_marker("django_db") is None and "db" not in request.fixturenames:
        return
    request.getfixturevalue("_django_db_helper")
    PaymentGatewayConfig.objects.get_or_create(name="Stripe", defaults={"variant": "stripe", "is_default": True})


@pytest.fixture
def user(db: None) -> Any:
    """Return a customer."""
    return make_user(username="ada", email="ada@example.com", password="pw")


@pytest.fixture
def other_user(db: None) -> Any:
    """Return another customer."""
    return make_user(username="bob", password="pw")


@pytest.fixture
def staff_user(db: None) -> Any:
    """Return a member of staff without any permission."""
    return make_user(username="eve", password="pw", is_staff=True)


@pytest.fixture
def anonymous_client() -> APIClient:
    """Return a client without credentials."""
    return APIClient()


@pytest.fixture
def api_client(user: Any) -> APIClient:
    """Return the customer's client."""
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def other_client(other_user: Any) -> APIClient:
    """Return the other customer's client."""
    client = APIClient()
    client.force_authenticate(other_user)
    return client


@pytest.fixture(autouse=True)
def _close_stripe_connections() -> Iterator[None]:
    """Leave no open connection to a server that a test has stopped."""
    yield
    pool.close()


@pytest.fixture
def stripe_server(fake_stripe: FakeStripe, settings: Any) -> FakeStripe:
    """Send the default account's requests to the fake Stripe."""
    settings.STRIPE_GATEWAY_API_BASE = fake_stripe.url
    return fake_stripe


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[Any], seconds: float = 20) -> None:
    """Wait until somebody listens on ``port``."""

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"The server on port {port} ended with {process.returncode}.")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(listens, seconds, what=f"somebody to listen on port {port}")


@pytest.fixture(scope="session")
def localstripe_url() -> Iterator[str]:
    """Run localstripe, with a store of its own, and return its address."""
    port = free_port()
    launcher = Path(__file__).parent.parent / "example_project" / "localstripe_server.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(launcher), "--port", str(port), "--store", folder, "--from-scratch"]
        # Coverage's start-up hook has no business in another project's process.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def localstripe(localstripe_url: str, settings: Any) -> str:
    """Switch to the development path: PaymentIntents on localstripe, unsigned webhooks."""
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_LOCALSTRIPE_URL = localstripe_url
    settings.STRIPE_GATEWAY_API_KEY = ""
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = ""
    return localstripe_url


class SignalRecorder:
    """The signals that were sent, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        """Return the signals' names."""
        return [name for name, _values in self.sent]

    def values(self, name: str) -> list[dict[str, Any]]:
        """Return the arguments of every signal of one name."""
        return [values for sent, values in self.sent if sent == name]

    def receiver(self, name: str) -> Callable[..., None]:
        """Return a receiver that records."""

        def receive(sender: Any, signal: Signal, **values: Any) -> None:
            self.sent.append((name, values))

        return receive


@pytest.fixture
def recorded_signals() -> Iterator[SignalRecorder]:
    """Record every signal of the app."""
    recorder = SignalRecorder()
    receivers = {name: recorder.receiver(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name])
    yield recorder
    for name, signal in SIGNALS.items():
        signal.disconnect(receivers[name])
