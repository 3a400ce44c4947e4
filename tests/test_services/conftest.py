"""Fixtures for the services' tests."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.payments import create as payments
from tests.fake_stripe.server import FakeStripe


class Shop:
    """Payments on the fake Stripe, brought to the state that a test starts from."""

    def __init__(self, stripe: FakeStripe, user: Any) -> None:
        self.stripe = stripe
        self.user = user

    def waiting(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment whose Checkout Session is open."""
        fields = {"owner": self.user, "gateway": "Stripe", "currency": "USD"} | fields
        return payments.create_payment(amount=Decimal(amount), **fields)

    def completed(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment whose customer has paid; the event has arrived."""
        from django_stripe_gateway.services.payments.refresh import sync_payment

        payment = self.waiting(amount, **fields)
        self.stripe.complete_checkout(payment.transaction_id)
        return sync_payment(payment=payment)

    def authorized(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment that waits for its capture."""
        return self.completed(amount, capture_method="manual", **fields)

    def mutations(self, path_end: str = "") -> list[Any]:
        """Return the requests that asked for a change."""
        return [r for r in self.stripe.requests if r.method == "POST" and r.path.endswith(path_end)]


@pytest.fixture
def shop(stripe_server: FakeStripe, user: Any) -> Shop:
    """Return a shop on the production path."""
    return Shop(stripe_server, user)


def run_out_leases() -> None:
    """Let the time pass in which a dead process might still have been waiting for an answer."""
    PaymentOperation.objects.pending().update(leased_until=timezone.now() - timedelta(seconds=1))
