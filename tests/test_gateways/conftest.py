"""The fixtures of what bills customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.test_gateways.billing_conformance import Biller, OnFakeStripe, OnLocalstripe

VERSIONS = {"current": "", "acacia": "2025-02-24.acacia", "legacy": "2017-08-15"}


def on_fake_stripe(request: Any, settings: Any, generation: str) -> OnFakeStripe:
    """Return a gateway whose requests and events are of one generation."""
    settings.STRIPE_GATEWAY_API_VERSION = VERSIONS[generation]
    fake = request.getfixturevalue("stripe_server")
    fake.generation = generation
    return OnFakeStripe(fake)


@pytest.fixture(params=[*VERSIONS, pytest.param("localstripe", marks=pytest.mark.localstripe)])
def biller(request: Any, settings: Any) -> Iterator[Biller]:
    """Return each gateway that bills, in each generation."""
    if request.param == "localstripe":
        request.getfixturevalue("localstripe")
        yield OnLocalstripe()
        return
    made = on_fake_stripe(request, settings, request.param)
    yield made
    made.check()


@pytest.fixture(params=list(VERSIONS))
def stripe_biller(request: Any, settings: Any) -> Iterator[OnFakeStripe]:
    """Return Stripe's gateway in each generation, for what localstripe does not know."""
    made = on_fake_stripe(request, settings, request.param)
    yield made
    made.check()
