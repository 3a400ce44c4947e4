"""A call whose answer was lost is repeated: it acts once, also when the provider has forgotten its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.values import ProviderStatus
from django_stripe_gateway.testing.payments.scenario import METADATA, TEN, PaymentScenario, ref_of


class RepeatingTests(PaymentScenario):
    """What recovery and ``reconcile`` stand on."""

    def test_repeat__create(self) -> None:
        """The same key makes one payment."""
        request, key = self.make_request(), self.key()
        first = self.gateway.create_payment(request, idempotency_key=key)
        again = self.gateway.create_payment(request, idempotency_key=key)
        assert (again.object_id, again.redirect_url) == (first.object_id, first.redirect_url)

    def test_repeat__confirm(self) -> None:
        """The same key takes the money once."""
        if not self.gateway.supports_confirm:
            return
        request, key = self.make_request(), self.key()
        ref = ref_of(self.gateway.create_payment(request, idempotency_key=self.key()))
        self.approve(ref)
        first = self.gateway.confirm_payment(ref, request, idempotency_key=key)
        again = self.gateway.confirm_payment(ref, request, idempotency_key=key)
        assert (first.status, first.amount_received) == (ProviderStatus.SUCCEEDED, TEN)
        assert (again.status, again.amount_received, again.intent_id) == (first.status, TEN, first.intent_id)

    def test_repeat__capture(self) -> None:
        """The same key captures once, and a repeat is answered as the first call was."""
        if not self.gateway.supports_manual_capture:
            return
        ref, key = self.paid(manual=True), self.key()
        for _again in range(2):
            snapshot = self.gateway.capture_payment(ref, TEN, idempotency_key=key)
            assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, TEN)

    def test_repeat__cancel(self) -> None:
        """A repeat says that the payment has ended: by its answer, or by a wrong state."""
        if not self.gateway.supports_manual_capture:
            return
        ref, key = self.paid(manual=True), self.key()
        self.gateway.cancel_payment(ref, idempotency_key=key)
        try:
            again = self.gateway.cancel_payment(ref, idempotency_key=key)
        except ProviderStateError:
            again = self.gateway.retrieve_payment(ref)
        assert again.status == ProviderStatus.CANCELED

    def test_repeat__refund(self) -> None:
        """The same key makes one refund."""
        ref, key = self.paid(), self.key()
        first, again = self.refund(ref, "10.00", key=key), self.refund(ref, "10.00", key=key)
        assert again.refund_id == first.refund_id
        assert [refund.refund_id for refund in self.gateway.list_refunds(ref)] == [first.refund_id]

    def test_forgotten_key__create(self) -> None:
        """A payment that was started is found by its attempt, where the gateway can look for it at all."""
        since = datetime.now(UTC) - timedelta(minutes=1)
        request = self.make_request(metadata=METADATA | {"attempt": "17"})
        made = self.gateway.create_payment(request, idempotency_key=self.key())
        self.forget_keys()
        found = self.gateway.find_payment(request, since=since)
        if type(self.gateway).find_payment is Gateway.find_payment:
            assert found is None
            return
        assert found is not None
        assert (found.object_id, found.redirect_url) == (made.object_id, made.redirect_url)
        other = self.make_request(metadata=METADATA | {"attempt": "18"})
        assert self.gateway.find_payment(other, since=since) is None

    def test_forgotten_key__confirm(self) -> None:
        """A confirmation finds what an earlier one has taken."""
        if not self.gateway.supports_confirm:
            return
        ref = self.paid()
        self.forget_keys()
        again = self.gateway.confirm_payment(ref, self.make_request(), idempotency_key=self.keys[-1])
        assert (again.status, again.amount_received, again.intent_id) == (ProviderStatus.SUCCEEDED, TEN, ref.intent_id)

    def test_forgotten_key__capture(self) -> None:
        """A capture that was made is a wrong state, and what was taken can be read."""
        if not self.gateway.supports_manual_capture:
            return
        ref, key = self.paid(manual=True), self.key()
        self.gateway.capture_payment(ref, TEN, idempotency_key=key)
        self.forget_keys()
        with self.refused(ProviderStateError):
            self.gateway.capture_payment(ref, TEN, idempotency_key=key)
        snapshot = self.gateway.retrieve_payment(ref)
        assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, TEN)

    def test_forgotten_key__cancel(self) -> None:
        """A cancellation that was made is a wrong state, and that it was made can be read."""
        if not self.gateway.supports_manual_capture:
            return
        ref, key = self.paid(manual=True), self.key()
        self.gateway.cancel_payment(ref, idempotency_key=key)
        self.forget_keys()
        with self.refused(ProviderStateError):
            self.gateway.cancel_payment(ref, idempotency_key=key)
        assert self.gateway.retrieve_payment(ref).status == ProviderStatus.CANCELED

    def test_forgotten_key__refund(self) -> None:
        """A refund that was made is found by the mark of its operation, without its key."""
        ref = self.paid()
        made = self.refund(ref, "10.00", operation="17")
        self.forget_keys()
        found = [refund for refund in self.gateway.list_refunds(ref) if refund.metadata.get("operation") == "17"]
        assert found == [made]
