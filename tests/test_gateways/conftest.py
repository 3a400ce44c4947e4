"""The fixtures of the gateways' tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.test_gateways.billing_conformance import OnFakeStripe
from tests.test_paypal.conftest import paypal

__all__ = ["paypal"]

VERSIONS = {"current": "", "acacia": "2025-02-24.acacia", "legacy": "2017-08-15"}


@pytest.fixture(params=list(VERSIONS))
def generation(request: Any, settings: Any, stripe_server: Any) -> Any:
    """Let requests and events be of each generation, and return the fake Stripe."""
    settings.STRIPE_GATEWAY_API_VERSION = VERSIONS[request.param]
    stripe_server.generation = request.param
    return stripe_server


@pytest.fixture
def stripe_biller(generation: Any) -> Iterator[OnFakeStripe]:
    """Return Stripe's gateway in each generation, for what the suite does not ask of every gateway."""
    made = OnFakeStripe()
    made.fake = generation
    yield made
    made.check()
