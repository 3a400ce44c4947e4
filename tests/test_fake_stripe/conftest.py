"""The fixtures of the fake's own tests."""

from __future__ import annotations

import pytest

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.fixtures import fake_stripe
from tests.test_fake_stripe.billing_shop import BillingShop
from tests.test_fake_stripe.shop import Shop

__all__ = ["fake_stripe"]


@pytest.fixture
def shop(fake_stripe: FakeStripe) -> Shop:
    """Return the SDK's client of the test's own fake."""
    return Shop(fake_stripe)


@pytest.fixture
def billing(fake_stripe: FakeStripe) -> BillingShop:
    """Return a merchant with subscriptions."""
    return BillingShop(fake_stripe)
