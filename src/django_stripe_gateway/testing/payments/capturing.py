"""Authorised payments are captured, released and cancelled."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.exceptions import ProviderStateError, UnsupportedByGateway
from django_stripe_gateway.gateways.values import PaymentRef, ProviderStatus
from django_stripe_gateway.testing.payments.scenario import TEN, PaymentScenario, ref_of, without_intent

ENDED = (ProviderStatus.CANCELED, ProviderStatus.REJECTED)
FOUR = Decimal("4.00")


class CapturingTests(PaymentScenario):
    """What is authorised now and taken later."""

    def authorized(self) -> PaymentRef | None:
        """Return an authorised payment; where there are none, check that a capture is refused as unsupported."""
        if self.gateway.supports_manual_capture:
            return self.paid(manual=True)
        with self.refused(UnsupportedByGateway):
            self.gateway.capture_payment(ref_of(self.create()), TEN, idempotency_key=self.key())
        return None

    def test_capture__whole(self) -> None:
        """Nothing is taken before the capture, and all by it."""
        if (ref := self.authorized()) is None:
            return
        assert self.gateway.retrieve_payment(ref).amount_received in (None, Decimal(0))
        snapshot = self.gateway.capture_payment(ref, TEN, idempotency_key=self.key())
        assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, TEN)
        self.assert_plain(snapshot)

    def test_capture__part(self) -> None:
        """A part is taken, and the rest released."""
        if (ref := self.authorized()) is None:
            return
        if not self.gateway.supports_partial_capture:
            with self.refused(UnsupportedByGateway):
                self.gateway.capture_payment(ref, FOUR, idempotency_key=self.key())
            assert self.gateway.retrieve_payment(ref).status == ProviderStatus.AUTHORIZED
            return
        snapshot = self.gateway.capture_payment(ref, FOUR, idempotency_key=self.key())
        assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, FOUR)
        again = self.gateway.retrieve_payment(ref)
        assert (again.status, again.amount_received) == (ProviderStatus.SUCCEEDED, FOUR)
        # What was released is no refund.
        assert list(self.gateway.list_refunds(ref)) == []

    def test_capture__more_than_authorised(self) -> None:
        """More than was authorised is a wrong state."""
        if (ref := self.authorized()) is None:
            return
        with self.refused(ProviderStateError):
            self.gateway.capture_payment(ref, Decimal("10.01"), idempotency_key=self.key())

    def test_capture__twice(self) -> None:
        """Under another key, a second capture is a wrong state."""
        if (ref := self.authorized()) is None:
            return
        self.gateway.capture_payment(ref, TEN, idempotency_key=self.key())
        with self.refused(ProviderStateError):
            self.gateway.capture_payment(ref, TEN, idempotency_key=self.key())

    def test_capture__ids_of_the_first_object_only(self) -> None:
        """A capture does without the id of what holds the money."""
        if (ref := self.authorized()) is None:
            return
        snapshot = self.gateway.capture_payment(without_intent(ref), TEN, idempotency_key=self.key())
        assert snapshot.status == ProviderStatus.SUCCEEDED

    def test_cancel__unpaid(self) -> None:
        """An unpaid payment ends, or is left to its own end."""
        ref = ref_of(self.create())
        snapshot = self.gateway.cancel_payment(ref, idempotency_key=self.key())
        assert snapshot.status in ENDED
        kept = self.gateway.retrieve_payment(ref).status
        assert kept == (snapshot.status if self.cancels_unpaid else ProviderStatus.OPEN)
        self.assert_plain(snapshot)

    def test_cancel__after_a_decline(self) -> None:
        """A declined payment can be cancelled as well."""
        ref = ref_of(self.gateway.retrieve_payment(self.declined()))
        snapshot = self.gateway.cancel_payment(ref, idempotency_key=self.key())
        assert snapshot.status in ENDED
        if self.cancels_unpaid:
            assert self.gateway.retrieve_payment(ref).status in ENDED

    def test_cancel__authorised(self) -> None:
        """What was authorised is released, and cannot be captured any more."""
        if (ref := self.authorized()) is None:
            return
        snapshot = self.gateway.cancel_payment(ref, idempotency_key=self.key())
        assert snapshot.status == ProviderStatus.CANCELED
        with self.refused(ProviderStateError):
            self.gateway.capture_payment(ref, TEN, idempotency_key=self.key())

    def test_cancel__paid(self) -> None:
        """A paid payment is refunded and not cancelled, whichever of its ids are known."""
        paid = self.paid()
        for ref in (paid, without_intent(paid)):
            with self.refused(ProviderStateError):
                self.gateway.cancel_payment(ref, idempotency_key=self.key())
            assert self.gateway.retrieve_payment(ref).status == ProviderStatus.SUCCEEDED

    def test_cancel__twice(self) -> None:
        """Under another key, a second cancellation is a wrong state; where nothing was done it says the same again."""
        ref = ref_of(self.create())
        first = self.gateway.cancel_payment(ref, idempotency_key=self.key())
        if not self.cancels_unpaid:
            assert self.gateway.cancel_payment(ref, idempotency_key=self.key()) == first
            return
        with self.refused(ProviderStateError):
            self.gateway.cancel_payment(ref, idempotency_key=self.key())
