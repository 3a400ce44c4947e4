"""Fixtures for the tests of the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import create

INTENT_VARIANTS = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {"flow": "intent"})}


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Forget what throttles have counted."""
    cache.clear()


@pytest.fixture
def token_client(user: Any) -> APIClient:
    """Return a client with the customer's API token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    return client


@pytest.fixture
def session_client(user: Any) -> APIClient:
    """Return a browser in which the customer has logged in; CSRF is checked."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    return client


@pytest.fixture
def staff_client(staff_user: Any) -> APIClient:
    """Return a staff member's client."""
    client = APIClient()
    client.force_authenticate(staff_user)
    return client


@pytest.fixture
def intent_server(stripe_server: FakeStripe, settings: Any) -> FakeStripe:
    """Let the default variant make PaymentIntents at the fake Stripe."""
    settings.PAYMENT_VARIANTS = INTENT_VARIANTS
    return stripe_server


@pytest.fixture
def confirmed(intent_server: FakeStripe, api_client: APIClient) -> dict[str, Any]:
    """Return a paid payment of 10.00 USD as the API shows it."""
    return paid(api_client)


@pytest.fixture
def preauthorized(intent_server: FakeStripe, api_client: APIClient) -> dict[str, Any]:
    """Return an authorised payment of 10.00 USD as the API shows it."""
    return paid(api_client, capture_method="manual")


def paid(client: APIClient, **fields: Any) -> dict[str, Any]:
    """Create a payment on a PaymentIntent and confirm it."""
    created = create(client, payment_method="pm_card_visa", **fields)
    assert created.status_code == 201, created.data
    answer = client.post(f"/api/v1/payments/{created.data['payment_id']}/confirm_intent/", {})
    assert answer.status_code == 200, answer.data
    shown: dict[str, Any] = answer.json()
    return shown
