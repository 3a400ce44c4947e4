"""A platform with two sellers on whose accounts payments are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import ConnectedAccount
from django_stripe_gateway.webhooks.registry import temporary_handlers
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import CONNECT, seller


@pytest.fixture
def platform(stripe_server: FakeStripe, settings: Any) -> FakeStripe:
    """Return Stripe with a platform that takes direct charges, through a page or in the browser."""
    options = {"direct_charges": True, "connect_endpoint_secret": CONNECT}
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, options)}
    return stripe_server


@pytest.fixture
def anna(platform: FakeStripe, user: Any) -> ConnectedAccount:
    """Return a seller who is onboarded."""
    return seller(platform, user)


@pytest.fixture
def bert(platform: FakeStripe, other_user: Any) -> ConnectedAccount:
    """Return another one."""
    return seller(platform, other_user)


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """Forget the handlers that a test registers."""
    with temporary_handlers():
        yield
