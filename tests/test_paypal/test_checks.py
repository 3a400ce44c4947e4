from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from django_stripe_gateway.checks.settings import check_setting_values
from django_stripe_gateway.checks.variants import check_variants
from django_stripe_gateway.conf import PAYPAL_PROVIDER
from django_stripe_gateway.gateways.paypal import checks as paypal_checks
from django_stripe_gateway.gateways.paypal.checks import check_paypal, check_paypal_deployment
from tests.fake_paypal.server import FakePayPal
from tests.test_checks.running import run, run_all


@pytest.mark.django_db
def test_complete(paypal: FakePayPal, settings: Any) -> None:
    assert run(check_paypal) == []
    assert run(check_variants) == []
    assert run(check_setting_values) == []
    assert "django_stripe_gateway.W035" in {message.id for message in run_all()}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("CLIENT_ID", "", ["E060"]),
        ("CLIENT_SECRET", None, ["E060"]),
        ("WEBHOOK_ID", "", ["E061"]),
        ("CA_BUNDLE", "/nowhere.pem", ["E063"]),
    ],
)
def test_missing(paypal: FakePayPal, settings: Any, name: str, value: Any, found: list[str]) -> None:
    setattr(settings, f"STRIPE_GATEWAY_PAYPAL_{name}", value)
    assert run(check_paypal) == found


def test_no_paypal(settings: Any) -> None:
    assert run(check_paypal) == []
    assert run(check_paypal_deployment) == []


def test_cryptography(paypal: FakePayPal, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(paypal_checks, "find_spec", lambda name: None if name == "cryptography" else real(name))
    assert run(check_paypal) == ["E062"]
    settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_VERIFICATION = "api"
    assert run(check_paypal) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIENT_ID", 7),
        ("CLIENT_SECRET", ["x"]),
        ("WEBHOOK_ID", {"x": 1}),
        ("SANDBOX", "False"),
        ("API_BASE", "paypal"),
        ("WEBHOOK_VERIFICATION", "never"),
        ("WEBHOOK_TOLERANCE", 0),
        ("CA_BUNDLE", 7),
    ],
)
def test_settings(paypal: FakePayPal, settings: Any, name: str, value: Any) -> None:
    setattr(settings, f"STRIPE_GATEWAY_PAYPAL_{name}", value)
    assert run(check_setting_values) == ["E013"]
    run(check_paypal)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"client_id": "x", "client_secret": "y", "webhook_id": ["z"]}, []),
        ({"client_id": "x"}, ["E060", "E061"]),
        ({"sandbox": "False"}, ["E008"]),
        ({"clientid": "x"}, ["W002"]),
        ({"endpoint_secret": "x"}, ["W002"]),
    ],
)
def test_options(paypal: FakePayPal, settings: Any, options: dict[str, Any], found: list[str]) -> None:
    settings.PAYMENT_VARIANTS = {"paypal": (PAYPAL_PROVIDER, options)}
    assert run(check_variants) + run(check_paypal) == found


@pytest.mark.parametrize(
    ("address", "sandbox", "found"),
    [
        ("", True, ["W035"]),
        ("", False, []),
        ("http://proxy.example.com", False, ["E064"]),
        ("http://127.0.0.1:9", False, []),
    ],
)
def test_deployment(paypal: FakePayPal, settings: Any, address: str, sandbox: bool, found: list[str]) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_API_BASE = address
    settings.STRIPE_GATEWAY_PAYPAL_SANDBOX = sandbox
    assert run(check_paypal_deployment) == found
    settings.DEBUG = True
    assert run(check_paypal_deployment) == []
