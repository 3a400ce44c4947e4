"""What the provider keeps can be asked for."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.testing.payments.scenario import TEN, PaymentScenario


class FeesTests(PaymentScenario):
    """Fees, or the refusal of a gateway that does not say."""

    def test_fees(self) -> None:
        """What was taken is the fee and what is left; a provider that has not booked it says nothing yet."""
        ref = self.paid()
        if not self.gateway.supports_fees:
            with self.refused(UnsupportedByGateway):
                self.gateway.retrieve_fees(ref)
            return
        fees = self.gateway.retrieve_fees(ref)
        if fees is None:
            return
        assert fees.amount - fees.fee == fees.net
        assert fees.currency.isupper()
        assert fees.refunds is None
        assert fees.net_after_refunds is None
        self.assert_plain(fees)

    def test_fees__refunds(self) -> None:
        """What was given back is in them where that is asked for."""
        if not self.gateway.supports_fees:
            return
        ref = self.paid()
        before = self.gateway.retrieve_fees(ref, with_refunds=True)
        if before is None:
            return
        assert before.net_after_refunds == before.net
        self.refund(ref, "10.00")
        after = self.gateway.retrieve_fees(ref, with_refunds=True)
        assert after is not None
        assert after.net == before.net
        assert after.refunds is not None
        assert after.refunds.net < 0
        assert after.currency != "USD" or after.refunds.net >= -TEN

    def test_fees__not_paid(self) -> None:
        """What holds no money has no fees."""
        if self.gateway.supports_fees and self.gateway.supports_manual_capture:
            assert self.gateway.retrieve_fees(self.paid(manual=True)) is None

    def test_fees__of_a_part(self) -> None:
        """The fees of a part are of that part."""
        gateway = self.gateway
        if not (gateway.supports_fees and gateway.supports_manual_capture and gateway.supports_partial_capture):
            return
        ref = self.paid(manual=True)
        gateway.capture_payment(ref, Decimal("4.00"), idempotency_key=self.key())
        fees = gateway.retrieve_fees(ref)
        assert fees is None or fees.currency != "USD" or fees.amount == Decimal("4.00")
