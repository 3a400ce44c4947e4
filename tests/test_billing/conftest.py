"""A host that sells subscriptions, against the fake Stripe in both generations of its API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
import requests
from django.utils import timezone
from rest_framework.test import APIClient

from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.fake_stripe import FakeStripe
from tests.test_billing.catalogue_shop import CatalogueShop
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.metered_host import MeteredHost

OLDER_VERSION = "2024-06-20"


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: APIClient) -> SubscriptionHost:
    """Return a host on the current API."""
    return SubscriptionHost(stripe_server, user, api_client)


# Requests, answers and events of the older generation are tested every day in tests/test_gateways; whole stories in it
# are for CI.
@pytest.fixture(params=["current", pytest.param("legacy", marks=pytest.mark.slow)])
def either_host(
    request: pytest.FixtureRequest, stripe_server: FakeStripe, settings: Any, user: Any, api_client: APIClient
) -> SubscriptionHost:
    """Return a host on each generation of the API: its requests, answers and events."""
    stripe_server.generation = request.param
    if request.param == "legacy":
        settings.STRIPE_GATEWAY_API_VERSION = OLDER_VERSION
    return SubscriptionHost(stripe_server, user, api_client)


@pytest.fixture
def clock(stripe_server: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody's clock be Stripe's."""
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(stripe_server.state.now(), UTC))


@pytest.fixture
def metered(either_host: SubscriptionHost, settings: Any) -> Iterator[MeteredHost]:
    """Return a site on each generation of the API."""
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls"}
    state = either_host.fake.state
    # The defaults of fields keep the real time, which has been when it is an hour later at Stripe.
    state.ahead = 3600
    with mock.patch.object(timezone, "now", side_effect=lambda: datetime.fromtimestamp(state.now(), UTC)):
        yield MeteredHost(either_host)


@pytest.fixture
def one_per_plan(settings: Any) -> None:
    """Let owners have several plans, in a subscription each."""
    settings.STRIPE_GATEWAY_SUBSCRIPTIONS_PER_OWNER = "one_per_plan"


@pytest.fixture
def fresh_localstripe(localstripe: str) -> str:
    """Return a localstripe that holds nothing."""
    requests.delete(f"{localstripe}/_config/data", timeout=10).raise_for_status()
    return localstripe


@pytest.fixture(params=["current", "legacy", pytest.param("localstripe", marks=pytest.mark.localstripe)])
def shop(request: pytest.FixtureRequest, settings: Any) -> CatalogueShop:
    """Return a shop at each provider that bills."""
    if request.param == "localstripe":
        request.getfixturevalue("fresh_localstripe")
        return CatalogueShop()
    stripe = request.getfixturevalue("stripe_server")
    stripe.generation = request.param
    if request.param == "legacy":
        settings.STRIPE_GATEWAY_API_VERSION = OLDER_VERSION
    return CatalogueShop()


@pytest.fixture
def asked(settings: Any) -> Iterator[None]:
    """Let Stripe be asked whose the keys are."""
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    yield
    known_accounts.forget()
