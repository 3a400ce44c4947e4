"""An account at the fake Stripe that this app did not make."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_stripe import FakeStripe
from tests.test_imports.running_account import RunningAccount


@pytest.fixture
def account(stripe_server: FakeStripe, db: None) -> RunningAccount:
    """Return an account whose price is known here as a plan's."""
    return RunningAccount(stripe_server)


@pytest.fixture
def ada(account: RunningAccount, user: Any) -> str:
    """Return the customer whose metadata name the user, with a subscription that runs."""
    customer = account.customer(metadata={"owner_id": str(user.pk)})
    account.subscribe(customer, account.basic)
    account.begin()
    return customer
