"""What a host has left open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.checks.openness import check_open_settings, check_proxies, check_throttles
from django_stripe_gateway.conf.api import SELLERS_ACTIONS
from tests.test_checks.running import run

SHARED = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache"}}
SAFE = {
    "STRIPE_GATEWAY_CUSTOMER_ACTIONS": ["default"],
    "STRIPE_GATEWAY_PRORATION_BEHAVIOR": "invoice_increases",
    "STRIPE_GATEWAY_THROTTLE_RATES": {},
    "CACHES": SHARED,
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CUSTOMER_ACTIONS", ["*"], ", ".join(SELLERS_ACTIONS)),
        ("CUSTOMER_ACTIONS", ["default", "pause_subscription"], "seller's: pause_subscription."),
        ("PRORATION_BEHAVIOR", "none", "for nothing"),
        ("PRORATION_BEHAVIOR", "create_prorations", "before it is paid"),
        ("SUBSCRIPTIONS_PER_OWNER", "several", "twice"),
        ("ASK_BEFORE_SALE", False, "sold once more"),
        ("DELETED_OWNERS", "keep", "charged on"),
        ("PAUSED_IS_VALID", True, "without paying"),
        ("ALLOW_REPEATED_TRIALS", True, "trial after another"),
        ("PAST_DUE_GRACE_DAYS", None, "while the provider tries"),
        ("PAST_DUE_GRACE_DAYS", 365, "for 365 days"),
        ("SUBSCRIPTIONS_PER_OWNER", "one_per_plan", "several plans"),
        ("GUEST_PAYMENTS", True, "choose what they pay"),
        ("PERMISSION_CLASSES", [], "everybody may ask"),
        ("PERMISSION_CLASSES", ["rest_framework.permissions.AllowAny"], "everybody may ask"),
        ("WEBHOOK_HEALTH_PERMISSION_CLASSES", [], "everybody may read"),
        ("WEBHOOK_HEALTH_PERMISSION_CLASSES", ["rest_framework.permissions.AllowAny"], "everybody may read"),
    ],
)
def test_w037(name: str, value: Any, words: str) -> None:
    with override_settings(**SAFE | {f"STRIPE_GATEWAY_{name}": value}):
        (found,) = check_open_settings(None)
        assert found.id == "django_stripe_gateway.W037"
        assert found.msg.startswith(f"STRIPE_GATEWAY_{name}: ")
        assert words in found.msg
        with override_settings(DEBUG=True):
            assert check_open_settings(None) == []


class Priced(Adapter):
    """Says what a payment costs."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Return the same for everybody."""
        return {"amount": Decimal(1), "currency": "EUR"}


def test_w037__guests() -> None:
    settings = SAFE | {"STRIPE_GATEWAY_GUEST_PAYMENTS": True}
    priced = {"STRIPE_GATEWAY_ADAPTER": f"{__name__}.Priced"}
    with override_settings(**settings | priced):
        assert check_open_settings(None) == []
    for rates in ({"payments.guest": None}, None):
        with override_settings(**settings | priced | {"STRIPE_GATEWAY_THROTTLE_RATES": rates}):
            (found,) = check_open_settings(None)
            assert "without end" in found.msg
            assert "choose" not in found.msg


def test_w037__pauses_without_end() -> None:
    settings = SAFE | {"STRIPE_GATEWAY_MAX_PAUSE_DAYS": None}
    with override_settings(**settings):
        assert run(check_open_settings) == []
    with override_settings(**settings | {"STRIPE_GATEWAY_CUSTOMER_ACTIONS": ["default", "pause_subscription"]}):
        assert run(check_open_settings) == ["W037", "W037"]


@pytest.mark.parametrize("written", [["default"], ["subscribe"], [], "*", ["nonsense"]])
def test_w037__nothing_open(written: Any) -> None:
    """Also where the setting is wrong, which is an error of its own."""
    with override_settings(**SAFE | {"STRIPE_GATEWAY_CUSTOMER_ACTIONS": written}):
        assert run(check_open_settings) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": {"payments.create": "1/hour"}}, []),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": {"payments.create": None}}, ["W038"]),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": None}, ["W038"]),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": {"portal": "1000000/second"}}, ["W038"]),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": {"nonsense": None}}, []),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": None, "DEBUG": True}, []),
        ({"CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}, ["W038"]),
        ({"CACHES": {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}}, ["W038"]),
    ],
)
def test_w038(settings: dict[str, Any], expected: list[str]) -> None:
    with override_settings(**SAFE | settings):
        assert run(check_throttles) == expected


@pytest.mark.parametrize(("proxies", "expected"), [(None, ["W039"]), (0, []), (1, [])])
def test_w039(proxies: int | None, expected: list[str]) -> None:
    with override_settings(**SAFE, REST_FRAMEWORK={"NUM_PROXIES": proxies}):
        assert run(check_proxies) == expected
        with override_settings(DEBUG=True):
            assert run(check_proxies) == []


@pytest.mark.parametrize(("proxies", "expected"), [(None, ["E033"]), (0, []), (1, [])])
def test_e033(proxies: int | None, expected: list[str]) -> None:
    """Guests are counted by their address alone."""
    opened = SAFE | {"STRIPE_GATEWAY_GUEST_PAYMENTS": True}
    with override_settings(**opened, REST_FRAMEWORK={"NUM_PROXIES": proxies}):
        assert run(check_proxies) == expected
        with override_settings(DEBUG=True):
            assert run(check_proxies) == []
    with override_settings(**opened | {"STRIPE_GATEWAY_GUEST_PAYMENTS": "yes"}):
        assert run(check_proxies) == ["W039"]
