from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.registry import get_gateway, is_supported_variant
from django_stripe_gateway.gateways.stripe.checkout import StripeCheckoutGateway
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway

HERE = "tests.test_gateways.test_registry"


class HostGateway(StripeCheckoutGateway):
    """What a host project may write."""


class NoGateway:
    def __init__(self, variant: str) -> None:
        pass


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "intents": (STRIPE_PROVIDER, {"flow": "intent"}),
        "local": (STRIPE_PROVIDER, {"use_localstripe": True}),
        "local-checkout": (STRIPE_PROVIDER, {"use_localstripe": True, "flow": "checkout"}),
        "typo": (STRIPE_PROVIDER, {"flow": "chekout"}),
        "dummy": ("payments.dummy.DummyProvider", {}),
        "none": ("payments.dummy.DummyProvider", None),
        "host": ("payments.dummy.DummyProvider", {"gateway": f"{HERE}.HostGateway"}),
        "missing": ("payments.dummy.DummyProvider", {"gateway": f"{HERE}.Missing"}),
        "no-path": ("payments.dummy.DummyProvider", {"gateway": "Missing"}),
        "no-gateway": ("payments.dummy.DummyProvider", {"gateway": f"{HERE}.NoGateway"}),
    }


@pytest.mark.parametrize(
    ("variant", "expected", "at_once"),
    [
        ("stripe", StripeCheckoutGateway, False),
        ("intents", StripeIntentGateway, False),
        ("local", StripeIntentGateway, True),
        ("local-checkout", StripeCheckoutGateway, False),
    ],
)
def test_flow(variant: str, expected: type, at_once: bool) -> None:
    gateway = get_gateway(variant)
    assert type(gateway) is expected
    assert gateway.confirms_at_once is at_once
    assert gateway.provider == "stripe"
    assert is_supported_variant(variant)


def test_gateway_of_the_host() -> None:
    gateway = get_gateway("host")
    assert isinstance(gateway, HostGateway)
    assert gateway.account.variant == "host"
    assert is_supported_variant("host")


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        ("nobody", "PAYMENT_VARIANTS has no entry 'nobody'"),
        ("typo", "unknown flow 'chekout'"),
        ("dummy", "another provider"),
        ("none", "another provider"),
        ("missing", "cannot be imported"),
        ("no-path", "cannot be imported"),
        ("no-gateway", "no subclass of Gateway"),
    ],
)
def test_refused(variant: str, says: str) -> None:
    with pytest.raises(GatewayConfigurationError, match=says):
        get_gateway(variant)


@pytest.mark.parametrize("variant", ["nobody", "dummy", "none"])
def test_unsupported(variant: str) -> None:
    assert not is_supported_variant(variant)
