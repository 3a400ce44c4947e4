"""Every gateway that bills passes the suite that this app ships."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.billing_values import CustomerRequest, SubscriptionRequest
from django_stripe_gateway.testing import BillingGatewayConformance
from tests.test_gateways.billing_conformance import OnFakeStripe, OnLocalstripe, OnStripe


class StripeConformance(OnStripe, BillingGatewayConformance):
    """What is more to say of Stripe's objects."""

    def test_ids(self) -> None:
        found = self.active()
        assert found.items[0].item_id.startswith("si_")
        assert self.gateway.retrieve_invoice(found.latest_invoice_id).intent_id.startswith("pi_")
        setup = self.gateway.create_setup(found.customer_id, metadata={}, idempotency_key=self.key())
        assert setup.client_secret.startswith(setup.setup_id)


class TestStripe(OnFakeStripe, StripeConformance):
    """In each generation of the API."""

    @pytest.fixture(autouse=True)
    def _server(self, generation: Any, request: Any) -> Iterator[None]:
        self.fake = generation
        yield
        self.check(repeats="repeated" in request.node.name)


@pytest.mark.localstripe
class TestLocalstripe(OnLocalstripe, StripeConformance):
    """What localstripe itself gets wrong is listed, so that nobody relies on it."""

    @pytest.fixture(autouse=True)
    def _server(self, localstripe: str) -> None:
        """Run localstripe."""

    def test_customer__repeated(self) -> None:
        """It ignores keys."""
        request, key = CustomerRequest(email="ada@example.com"), self.key()
        made = {self.gateway.create_customer(request, idempotency_key=key).customer_id for _again in range(2)}
        assert len(made) == 2

    def test_subscribe__repeated(self) -> None:
        """It ignores keys; who repeats a subscription looks for it first."""
        request, key = SubscriptionRequest(self.customer().customer_id, self.price().price_id), self.key()
        made = {self.gateway.create_subscription(request, idempotency_key=key).subscription_id for _again in range(2)}
        listed = self.gateway.list_subscriptions(request.customer_id)
        assert {subscription.subscription_id for subscription in listed} == made
        assert len(made) == 2

    def test_invoice_payment__repeated(self) -> None:
        """It ignores keys, and charges no second time."""
        made, key = self.subscribe(self.customer(self.failing), self.price()), self.key()
        self.give_what_works(made)
        assert self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=key).status == "paid"
        with self.refused(ProviderStateError):
            self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=key)
