"""Money is given back."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.exceptions import ProviderStateError, UnsupportedByGateway
from django_stripe_gateway.testing.payments.scenario import TEN, TOKEN, PaymentScenario


class RefundingTests(PaymentScenario):
    """Refunds, whole and in parts."""

    def test_refund__whole(self) -> None:
        """All is given back, and the refund can be matched with its operation."""
        ref = self.paid()
        sent = {"token": TOKEN, "operation": "1"}
        refund = self.gateway.refund_payment(ref, TEN, reason="duplicate", metadata=sent, idempotency_key=self.key())
        assert (refund.status, refund.amount, refund.currency) == (RefundStatus.SUCCEEDED, TEN, "USD")
        assert refund.intent_id == ref.intent_id
        assert refund.metadata["operation"] == "1"
        assert refund.metadata == self.refund_metadata(sent)
        self.assert_plain(refund)

    def test_refund__parts(self) -> None:
        """Parts are given back one after the other, and all of them are listed."""
        ref = self.paid()
        if not self.gateway.supports_partial_refund:
            with self.refused(UnsupportedByGateway):
                self.refund(ref, "3.00")
            assert list(self.gateway.list_refunds(ref)) == []
            return
        made = [self.refund(ref, amount, operation=amount) for amount in ("3.00", "2.50")]
        found = self.gateway.list_refunds(ref)
        assert sorted(found, key=lambda refund: refund.amount) == sorted(made, key=lambda refund: refund.amount)
        assert {refund.metadata["operation"] for refund in found} == {"3.00", "2.50"}
        self.assert_plain(list(found))

    def test_refund__of_a_part_that_was_captured(self) -> None:
        """What was captured in part can be given back, and stays captured."""
        if not self.gateway.supports_manual_capture or not self.gateway.supports_partial_capture:
            return
        ref = self.paid(manual=True)
        self.gateway.capture_payment(ref, Decimal("4.00"), idempotency_key=self.key())
        refund = self.refund(ref, "4.00")
        assert list(self.gateway.list_refunds(ref)) == [refund]
        # A refund is no smaller capture.
        assert self.gateway.retrieve_payment(ref).amount_received == Decimal("4.00")

    def test_refund__more_than_is_left(self) -> None:
        """More than is left is a wrong state."""
        ref = self.paid()
        with self.refused(ProviderStateError):
            self.refund(ref, "11.00")
        self.refund(ref, "8.00" if self.gateway.supports_partial_refund else "10.00")
        with self.refused(ProviderStateError):
            self.refund(ref, "8.00" if self.gateway.supports_partial_refund else "10.00", operation="2")

    def test_refund__not_paid(self) -> None:
        """What was never taken cannot be given back."""
        ref = self.declined()
        with self.refused(ProviderStateError):
            self.refund(ref, "10.00")

    def test_list_refunds__none(self) -> None:
        """A paid payment has no refunds."""
        assert list(self.gateway.list_refunds(self.paid())) == []
