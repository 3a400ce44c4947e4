"""Whose account sells subscriptions."""

from __future__ import annotations

import pytest
from django.test import override_settings

from django_stripe_gateway.checks.variants import check_billing_variant
from tests.test_checks.running import run

STRIPE = ("django_stripe_gateway.providers.StripeProvider", {})
OTHER = ("payments.dummy.DummyProvider", {})


@pytest.mark.parametrize(("name", "expected"), [("", []), ("eu", []), ("shop", ["E070"]), ("cash", ["E070"])])
def test_e070(name: str, expected: list[str]) -> None:
    variants = {"eu": STRIPE, "cash": OTHER}
    with override_settings(STRIPE_GATEWAY_BILLING_VARIANT=name, PAYMENT_VARIANTS=variants):
        assert run(check_billing_variant) == expected


def test_e070__names_what_was_meant() -> None:
    with override_settings(STRIPE_GATEWAY_BILLING_VARIANT="stipe", PAYMENT_VARIANTS={"stripe": STRIPE}):
        assert check_billing_variant(None)[0].hint == "Did you mean 'stripe'?"


def test_e070__wrong_type_is_reported_elsewhere() -> None:
    with override_settings(STRIPE_GATEWAY_BILLING_VARIANT=5):
        assert run(check_billing_variant) == []
