"""Every gateway passes the suite that this app ships."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.gateways.values import PaymentRef, ProviderStatus
from django_stripe_gateway.testing import GatewayConformance
from tests.fake_paypal.server import FakePayPal
from tests.test_gateways.conformance import OnCheckout, OnFakeStripe, OnIntents, OnLocalstripe, OnPayPal, OnStripe

GENERATIONS = {"current": "", "legacy": "2017-08-15"}
TEN = Decimal("10.00")


class StripeConformance(OnStripe, GatewayConformance):
    """What is more to say of Stripe's objects."""

    def test_paid__with_an_intent(self) -> None:
        assert self.gateway.retrieve_payment(self.paid()).intent_id.startswith("pi_")

    def test_declined__the_intent_is_known(self) -> None:
        """By now, also that of a session that is still open."""
        assert self.gateway.retrieve_payment(self.declined()).intent_id


class FakeStripeConformance(StripeConformance, OnFakeStripe):
    """In both shapes of Stripe's answers."""

    flow: str

    @pytest.fixture(autouse=True, params=GENERATIONS)
    def _server(self, request: Any, settings: Any, stripe_server: Any) -> Iterator[None]:
        settings.PAYMENT_VARIANTS = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {"flow": self.flow})}
        # Of the older generation is asked for what it knows.
        settings.STRIPE_GATEWAY_API_VERSION = GENERATIONS[request.param]
        stripe_server.response_generation = request.param
        self.fake = stripe_server
        yield
        self.check(repeats=request.node.name.startswith(("test_repeat", "test_forgotten_key")))


class TestCheckout(OnCheckout, FakeStripeConformance):
    flow = "checkout"


class TestIntents(OnIntents, FakeStripeConformance):
    flow = "intent"


@pytest.mark.localstripe
class TestLocalstripe(OnLocalstripe, StripeConformance):
    """What localstripe itself gets wrong is listed, so that nobody relies on it."""

    @pytest.fixture(autouse=True)
    def _server(self, localstripe: str) -> None:
        """Run localstripe."""

    def test_retrieve__unknown_object(self) -> None:
        intent, session = self.unknown_ids
        self.unknown_ids = (intent,)  # type: ignore[misc]
        super().test_retrieve__unknown_object()
        # It has no such address: what answers there is its web server, which knows nothing of the object.
        with self.refused(ProviderUnavailable):
            self.gateway.retrieve_payment(PaymentRef(session, "", "USD"))

    def test_cancel__authorised(self) -> None:
        """It captures what was cancelled."""
        ref = self.paid(manual=True)
        snapshot = self.gateway.cancel_payment(ref, idempotency_key=self.key())
        assert snapshot.status == ProviderStatus.CANCELED
        assert self.gateway.capture_payment(ref, TEN, idempotency_key=self.key())

    def test_refund__more_than_is_left(self) -> None:
        """It refunds more than was paid."""
        ref = self.paid()
        for amount in ("11.00", "8.00"):
            assert self.refund(ref, amount).amount == Decimal(amount)

    def test_repeat__create(self) -> None:
        """It ignores keys; an intent that nobody confirms charges nobody."""
        key = self.key()
        made = [self.gateway.create_payment(self.make_request(), idempotency_key=key) for _again in range(2)]
        assert made[0].object_id != made[1].object_id

    def test_repeat__capture(self) -> None:
        """It ignores keys, and refuses the second capture."""
        self.test_forgotten_key__capture()

    def test_repeat__refund(self) -> None:
        """It ignores keys; who repeats a refund looks for it first."""
        ref, key = self.paid(), self.key()
        first, again = self.refund(ref, "4.00", key=key), self.refund(ref, "4.00", key=key)
        assert {refund.refund_id for refund in self.gateway.list_refunds(ref)} == {first.refund_id, again.refund_id}


class TestPayPal(OnPayPal, GatewayConformance):
    @pytest.fixture(autouse=True)
    def _server(self, paypal: FakePayPal) -> None:
        self.fake = paypal
