"""Fixtures: a host that adds parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_further_params.adding import ADDED, ASKED, Adding
from tests.test_services.conftest import Shop


@pytest.fixture(autouse=True)
def _adding(settings: Any) -> Iterator[None]:
    """Let the site's adapter add what the test puts into ``ADDED``."""
    settings.STRIPE_GATEWAY_ADAPTER = f"{Adding.__module__}.Adding"
    ADDED.clear()
    ASKED.clear()
    yield
    ADDED.clear()
    ASKED.clear()


@pytest.fixture
def shop(stripe_server: FakeStripe, user: Any) -> Shop:
    """Return a shop on the production path."""
    return Shop(stripe_server, user)


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: APIClient) -> SubscriptionHost:
    """Return a site that sells subscriptions."""
    return SubscriptionHost(stripe_server, user, api_client)
