"""Types, ranges and names of the settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings
from rest_framework.permissions import IsAdminUser, IsAuthenticated

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.checks.settings import check_setting_names, check_setting_values
from tests.test_checks.running import run

COMBINED = IsAdminUser | ~IsAuthenticated


class OwnAdapter(Adapter):
    """A host's own."""


GOOD = [
    ("API_KEY", None), ("API_KEY", "sk_test_x"), ("WEBHOOK_SECRET", ["whsec_a", "whsec_b"]),
    ("WEBHOOK_SECRET", "whsec_a,whsec_b"), ("API_BASE", "https://proxy.example.com"),
    ("API_VERSION", "2026-10-28.endive"),
    ("API_VERSION", "2017-08-15"), ("USE_LOCALSTRIPE", True), ("LOCALSTRIPE_URL", "http://127.0.0.1:8420"),
    ("TIMEOUT", 0.5), ("TIMEOUT", 300), ("MAX_NETWORK_RETRIES", 0), ("POOL_SIZE", 1),
    ("SUCCESS_URL", "https://shop.example.com/thanks/{payment_id}/"), ("SUCCESS_URL", "/thanks/"),
    ("FAILURE_URL", None),
    ("CHECKOUT_EXPIRES_AFTER", None), ("CHECKOUT_EXPIRES_AFTER", 1800), ("CHECKOUT_EXPIRES_AFTER", 86400),
    ("WEBHOOK_TOLERANCE", 1), ("WEBHOOK_MAX_BYTES", 65536), ("AUTHENTICATION_CLASSES", []),
    ("PERMISSION_CLASSES", ("rest_framework.permissions.AllowAny",)), ("SERIALIZERS", {}),
    ("THROTTLE_RATES", {"payments.read": "100/hour", "portal": None}), ("THROTTLE_RATES", {"payments.write": "5/m"}),
    ("THROTTLE_RATES", None), ("CUSTOMER_ACTIONS", ["default", "pause_subscription"]), ("CUSTOMER_ACTIONS", ("*",)),
    ("PAGE_SIZE", 1), ("PAGE_SIZE", 100), ("IDEMPOTENCY_KEY_TTL", 60),
    ("ACTION_PERMISSIONS", {"refund_payment": ["rest_framework.permissions.IsAdminUser"], "create_payment": []}),
    ("OWNER_MODEL", "teams.Team"), ("BILLING_VARIANT", None), ("PAST_DUE_GRACE_DAYS", 0),
    ("PAST_DUE_GRACE_DAYS", None), ("PRORATION_BEHAVIOR", "always_invoice"),
    ("SUBSCRIPTION_SUCCESS_URL", "/welcome/"), ("PORTAL_RETURN_URL", "https://shop.example.com/account/"),
    ("ACTION_PERMISSIONS", {"subscribe": ["rest_framework.permissions.IsAdminUser"]}),
    ("WEBHOOK_PROCESSING", "inline"), ("WEBHOOK_UNHANDLED", ["charge.*", "*"]), ("WEBHOOK_MAX_ATTEMPTS", 1),
    ("WEBHOOK_RETRY_DELAY", 0.1), ("WEBHOOK_RETRY_JITTER", 0), ("WEBHOOK_RETRY_JITTER", 1), ("WEBHOOK_LEASE", 1),
    ("WEBHOOK_RETENTION_DAYS", 31), ("WEBHOOK_HEALTH_LIMITS", {}), ("WEBHOOK_HEALTH_LIMITS", {"unmatched": 100}),
    ("ADAPTER", "django_stripe_gateway.adapter.Adapter"), ("USAGE_THRESHOLDS", [1, 100]),
    ("USAGE_THRESHOLDS", ()), ("USAGE_METERS", {"a": "b"}), ("USAGE_RESERVATION_SECONDS", 1),
]  # fmt: skip
BAD = [
    ("API_KEY", 5), ("WEBHOOK_SECRET", {"a"}), ("WEBHOOK_SECRET", [None]), ("API_BASE", "proxy.example.com"),
    ("API_BASE", "ftp://x"), ("API_VERSION", "latest"), ("USE_LOCALSTRIPE", "False"), ("USE_LOCALSTRIPE", 0),
    ("LOCALSTRIPE_URL", ""), ("TEST_PAYMENT_METHOD", ""), ("TIMEOUT", 0), ("TIMEOUT", "20"), ("TIMEOUT", True),
    ("TIMEOUT", 301), ("MAX_NETWORK_RETRIES", -1), ("MAX_NETWORK_RETRIES", 11), ("POOL_SIZE", 0),
    ("SUCCESS_URL", "shop.example.com"), ("SUCCESS_URL", "javascript:alert(1)"), ("FAILURE_URL", "/x/{order}/"),
    ("CHECKOUT_EXPIRES_AFTER", 1799), ("CHECKOUT_EXPIRES_AFTER", 86401), ("WEBHOOK_TOLERANCE", 0),
    ("WEBHOOK_MAX_BYTES", 10), ("AUTHENTICATION_CLASSES", "a.b"), ("PERMISSION_CLASSES", None),
    ("SERIALIZERS", {"Payment": None}), ("THROTTLE_RATES", {"payments.read": "often"}), ("THROTTLE_RATES", []),
    ("THROTTLE_RATES", {"payments": "5/m"}), ("CUSTOMER_ACTIONS", "*"), ("CUSTOMER_ACTIONS", ["refund"]),
    ("PAGE_SIZE", 0), ("PAGE_SIZE", 101), ("PAGE_SIZE", 25.0), ("IDEMPOTENCY_KEY_TTL", 0),
    ("ACTION_PERMISSIONS", ["a.b"]), ("ACTION_PERMISSIONS", {"refund": []}),
    ("ACTION_PERMISSIONS", {"refund_payment": "a.b"}), ("OWNER_MODEL", "Team"), ("ADAPTER", 5),
    ("ADAPTER", ""), ("ADAPTER", None), ("AUTOMATIC_TAX", "no"), ("ALLOW_REPEATED_TRIALS", 1),
    ("PRORATION_BEHAVIOR", "some"), ("TRIALS_ONCE_PER", "user"), ("TRIAL_END_BEHAVIOR", "charge"),
    ("SUBSCRIPTIONS_PER_OWNER", "two"), ("SUBSCRIPTION_CANCEL_URL", "x"), ("PORTAL_RETURN_URL", "/{payment_id}/"),
    ("BILLING_VARIANT", []), ("PAST_DUE_GRACE_DAYS", -1), ("PAST_DUE_GRACE_DAYS", 366),
    ("WEBHOOK_PROCESSING", "celery"), ("WEBHOOK_QUEUE", ""), ("WEBHOOK_ENQUEUE", None),
    ("WEBHOOK_UNHANDLED", "charge.*"),
    ("WEBHOOK_UNHANDLED", ["*.created"]), ("WEBHOOK_MAX_ATTEMPTS", 0), ("WEBHOOK_RETRY_DELAY", 0),
    ("WEBHOOK_RETRY_MAX_DELAY", 7 * 86400 + 1), ("WEBHOOK_RETRY_JITTER", 1.1), ("WEBHOOK_LEASE", 0),
    ("WEBHOOK_RETENTION_DAYS", 30), ("WEBHOOK_HEALTH_LIMITS", {"late": 1}), ("WEBHOOK_HEALTH_LIMITS", {"dead": -1}),
    ("WEBHOOK_HEALTH_PERMISSION_CLASSES", None),
    ("USAGE_THRESHOLDS", 80), ("USAGE_THRESHOLDS", [0]), ("USAGE_THRESHOLDS", [0.8]),
    ("USAGE_THRESHOLDS", [101]), ("USAGE_RESERVATION_SECONDS", 0), ("USAGE_METERS", ["minutes"]),
    ("USAGE_METERS", {"a": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_e013__good_values(name: str, value: Any) -> None:
    with override_settings(**{f"STRIPE_GATEWAY_{name}": value}):
        assert run(check_setting_values) == []


@pytest.mark.parametrize(("name", "value"), BAD)
def test_e013__bad_values(name: str, value: Any) -> None:
    with override_settings(**{f"STRIPE_GATEWAY_{name}": value}):
        found = check_setting_values(None)
    assert [message.id for message in found] == ["django_stripe_gateway.E013"]
    assert f"STRIPE_GATEWAY_{name}" in found[0].msg
    assert f"STRIPE_GATEWAY_{name}" in (found[0].hint or "")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PERMISSION_CLASSES", ["rest_framework.permissions.AllowAny"], []),
        ("PERMISSION_CLASSES", ["rest_framework.permissions.Nobody"], ["E014"]),
        ("AUTHENTICATION_CLASSES", ["no.such.Module"], ["E014"]),
        ("SERIALIZERS", {"Payment": "shop.serializers.Payment"}, ["E014"]),
        ("SERIALIZERS", {"Payment": "nodots"}, ["E014"]),
        ("ACTION_PERMISSIONS", {"refund_payment": ["shop.permissions.Staff"]}, ["E014"]),
        # Something else than a class of the right kind.
        ("PERMISSION_CLASSES", ["rest_framework.authentication.TokenAuthentication"], ["E014"]),
        ("PERMISSION_CLASSES", ["rest_framework.permissions.SAFE_METHODS"], ["E014"]),
        ("AUTHENTICATION_CLASSES", ["rest_framework.permissions.IsAuthenticated"], ["E014"]),
        ("AUTHENTICATION_CLASSES", [f"{__name__}.COMBINED"], ["E014"]),
        ("ACTION_PERMISSIONS", {"refund_payment": ["rest_framework.authentication.TokenAuthentication"]}, ["E014"]),
        ("PERMISSION_CLASSES", [f"{__name__}.COMBINED"], []),
        ("ADAPTER", f"{__name__}.OwnAdapter", []),
        ("ADAPTER", "shop.adapter.Missing", ["E014"]),
        ("ADAPTER", "rest_framework.permissions.IsAuthenticated", ["E014"]),
        ("ADAPTER", f"{__name__}.COMBINED", ["E014"]),
        ("ADAPTER", "django_stripe_gateway.adapter.get_adapter", ["E014"]),
    ],
)
def test_e014__dotted_paths(name: str, value: Any, expected: list[str]) -> None:
    with override_settings(**{f"STRIPE_GATEWAY_{name}": value}):
        assert run(check_setting_values) == expected


@override_settings(STRIPE_GATEWAY_WEBHOOK_SECRETS="x", STRIPE_GATEWAY_ZZZZZZ=1)
def test_w001__typos() -> None:
    first, second = check_setting_names(None)
    assert "STRIPE_GATEWAY_WEBHOOK_SECRETS" in first.msg
    assert first.hint == "Did you mean STRIPE_GATEWAY_WEBHOOK_SECRET?"
    assert "STRIPE_GATEWAY_ZZZZZZ" in second.msg


@override_settings(STRIPE_GATEWAY_ADAPTER="rest_framework.permissions.IsAuthenticated")
def test_e014__says_what_an_adapter_is() -> None:
    (found,) = check_setting_values(None)
    assert "STRIPE_GATEWAY_ADAPTER names 'rest_framework.permissions.IsAuthenticated'" in found.msg
    assert found.hint == "Name a subclass of django_stripe_gateway.adapter.Adapter."


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("OWNER_RESOLVER", "get_owner"),
        ("CUSTOMER_DETAILS", "customer_details"),
        ("OWNER_TIME_ZONE_RESOLVER", "time_zone"),
    ],
)
def test_w001__settings_that_the_adapter_has_replaced(name: str, method: str) -> None:
    with override_settings(**{f"STRIPE_GATEWAY_{name}": "shop.decisions.something"}):
        (found,) = check_setting_names(None)
    assert found.id == "django_stripe_gateway.W001"
    assert f"STRIPE_GATEWAY_{name}" in found.msg
    assert callable(getattr(Adapter, method))
    assert found.hint == f"Override {method}() in a subclass of Adapter, and name it in STRIPE_GATEWAY_ADAPTER."


def test_w001__known_names() -> None:
    assert run(check_setting_names) == []
