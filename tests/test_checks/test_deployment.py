"""``check --deploy``."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.db.utils import load_backend
from django.test import override_settings

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.checks.deployment import (
    check_deployment,
    check_deployment_databases,
    check_deployment_prices,
)
from django_stripe_gateway.gateways.stripe.checks import check_accounts_deployment
from tests.test_checks.running import run

LIVE = "sk_live_" + "a" * 24
TEST = "sk_test_" + "a" * 24


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"USE_LOCALSTRIPE": True, "API_KEY": ""}, ["E030"]),
        ({"API_KEY": "sk_test_123"}, ["E031"]),
        ({"API_KEY": "sk_live_your_key_goes_here"}, ["E031"]),
        ({"API_KEY": TEST}, ["W032"]),
        ({"API_KEY": "rk_live_" + "A1" * 20}, []),
        ({"API_BASE": "http://proxy.example.com"}, ["E032"]),
        ({"API_BASE": "http://127.0.0.1:12111"}, []),
        ({"API_BASE": "http://[::1]:12111"}, []),
        ({"API_BASE": "http://localhost:12111"}, []),
        ({"API_BASE": "https://proxy.example.com"}, []),
        ({"SUCCESS_URL": "http://shop.example.com/"}, ["W031"]),
        ({"FAILURE_URL": "http://shop.example.com/"}, ["W031"]),
        ({"SUCCESS_URL": "https://shop.example.com/", "FAILURE_URL": "/sorry/"}, []),
    ],
)
def test_accounts_and_addresses(settings: dict[str, Any], expected: list[str]) -> None:
    named = {f"STRIPE_GATEWAY_{name}": value for name, value in {"API_KEY": LIVE, **settings}.items()}
    with override_settings(DEBUG=False, **named):
        assert run(check_accounts_deployment) + run(check_deployment) == expected
    with override_settings(DEBUG=True, **named):
        assert run(check_accounts_deployment) + run(check_deployment) == []


@override_settings(DEBUG=False, STRIPE_GATEWAY_API_KEY=LIVE)
@pytest.mark.parametrize(("uses_ssl", "expected"), [(True, []), (False, ["W031"])])
def test_w031__payment_uses_ssl(uses_ssl: bool, expected: list[str]) -> None:
    with override_settings(PAYMENT_USES_SSL=uses_ssl):
        assert run(check_deployment) == expected


@pytest.mark.parametrize(
    ("engine", "settings", "expected"),
    [
        ("sqlite3", {"OPTIONS": {}}, ["W034"]),
        ("sqlite3", {"OPTIONS": {"transaction_mode": "DEFERRED"}}, ["W034"]),
        ("sqlite3", {"OPTIONS": {"transaction_mode": "IMMEDIATE"}}, []),
        ("postgresql", {"CONN_MAX_AGE": 0}, ["W033"]),
        ("postgresql", {"CONN_MAX_AGE": 60}, []),
        ("postgresql", {"CONN_MAX_AGE": None}, []),
        ("postgresql", {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}, []),
    ],
)
def test_databases(monkeypatch: Any, engine: str, settings: dict[str, Any], expected: list[str]) -> None:
    if engine == "postgresql":
        pytest.importorskip("psycopg")
    backend = f"django.db.backends.{engine}"
    base = {**connections["default"].settings_dict, "ENGINE": backend, "OPTIONS": {}}
    fake = load_backend(backend).DatabaseWrapper({**base, **settings}, "default")
    monkeypatch.setattr(connections._connections, "default", fake, raising=False)
    with override_settings(DEBUG=False):
        assert run(check_deployment_databases) == expected
    with override_settings(DEBUG=True):
        assert run(check_deployment_databases) == []


class OtherDecisions(Adapter):
    """Decides something, and no prices."""

    def may_have_trial(self, owner: Any, plan: Any, had: Any) -> bool:
        """Refuse."""
        return False


class OwnPrices(OtherDecisions):
    """The shop's own prices."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Return what everything costs."""
        return {"amount": 10, "currency": "USD"}


class InheritedPrices(OwnPrices):
    """Prices of another shop."""


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [
        ("django_stripe_gateway.adapter.Adapter", ["W036"]),
        (f"{__name__}.OtherDecisions", ["W036"]),
        (f"{__name__}.OwnPrices", []),
        (f"{__name__}.InheritedPrices", []),
        ("shop.adapter.Missing", []),
    ],
)
def test_w036__clients_choose_amounts(adapter: str, expected: list[str]) -> None:
    with override_settings(DEBUG=False, STRIPE_GATEWAY_ADAPTER=adapter):
        assert run(check_deployment_prices) == expected
    with override_settings(DEBUG=True, STRIPE_GATEWAY_ADAPTER=adapter):
        assert run(check_deployment_prices) == []
    for closed in (["subscribe"], "nonsense"):
        with override_settings(STRIPE_GATEWAY_ADAPTER=adapter, STRIPE_GATEWAY_CUSTOMER_ACTIONS=closed):
            assert run(check_deployment_prices) == []
