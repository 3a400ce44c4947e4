"""An account at the fake Stripe that this app did not make."""

from __future__ import annotations

import pytest

from tests.fake_stripe import FakeStripe
from tests.test_imports.running_account import RunningAccount


@pytest.fixture
def account(stripe_server: FakeStripe, db: None) -> RunningAccount:
    """Return an account whose price is known here as a plan's."""
    return RunningAccount(stripe_server)
