"""Fixtures of the webhook tests."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.webhooks.registry import temporary_handlers
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.support import deliver_all


class Shop:
    """A payment's life at the fake Stripe, and its events."""

    def __init__(self, fake: FakeStripe, owner: Any) -> None:
        self.fake = fake
        self.owner = owner

    def payment(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment that waits for its customer on a Checkout Session."""
        fields = {"gateway": "stripe", "currency": "USD", "owner": self.owner} | fields
        return create_payment(amount=Decimal(amount), **fields)

    def paid(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment whose customer has paid, its events delivered."""
        payment = self.payment(amount, **fields)
        deliver_all(self.fake.complete_checkout(payment.transaction_id))
        payment.refresh_from_db()
        return payment


@pytest.fixture
def shop(stripe_server: FakeStripe, user: Any) -> Shop:
    """Return a shop at the fake Stripe."""
    return Shop(stripe_server, user)


@pytest.fixture(params=["current", "legacy"])
def generation(request: Any, stripe_server: FakeStripe) -> str:
    """Let events arrive in the shapes of each API generation."""
    stripe_server.generation = request.param
    return str(request.param)


@pytest.fixture
def registry() -> Iterator[None]:
    """Forget the handlers that a test registers."""
    with temporary_handlers():
        yield
