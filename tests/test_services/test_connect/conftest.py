"""Fixtures for the tests of platforms."""

from __future__ import annotations

import pytest

from django_stripe_gateway.models import ConnectedAccount
from tests.test_services.conftest import Shop
from tests.test_services.test_connect.sellers import seller_of


@pytest.fixture
def seller(shop: Shop) -> ConnectedAccount:
    """Return the account of a seller who has told Stripe everything."""
    return seller_of(shop.stripe)
