"""Payments are started, paid, declined and asked for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django_stripe_gateway.exceptions import (
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    UnsupportedByGateway,
    UnsupportedCurrency,
)
from django_stripe_gateway.gateways.values import PaymentRef, ProviderStatus
from django_stripe_gateway.money import currency_format
from django_stripe_gateway.testing.payments.scenario import METADATA, TEN, TOKEN, PaymentScenario, ref_of


class StartingTests(PaymentScenario):
    """From nothing to paid."""

    def test_create(self) -> None:
        """A new payment is open, and says how its customer goes on."""
        snapshot = self.create()
        assert snapshot.status == ProviderStatus.OPEN
        assert snapshot.object_id
        assert (snapshot.amount, snapshot.currency) == (TEN, "USD")
        assert snapshot.amount_received is None
        assert self.gateway.livemode is False
        assert snapshot.livemode is (False if self.says_livemode else None)
        assert bool(snapshot.redirect_url) is self.gateway.supports_redirect
        assert bool(snapshot.client_secret) is self.gives_client_secret
        self.assert_plain(snapshot)

    def test_create__keeps_its_page(self) -> None:
        """The page is kept with its address as ``url``, and with a ``status``: open, complete or expired."""
        if not self.gateway.supports_redirect:
            return
        made = self.create()
        assert made.is_session
        assert (made.raw["url"], made.raw["status"]) == (made.redirect_url, "open")
        canceled = self.gateway.cancel_payment(ref_of(made), idempotency_key=self.key())
        assert canceled.raw["status"] == "expired"
        paid = self.gateway.retrieve_payment(self.paid())
        assert (paid.is_session, paid.raw["status"]) == (True, "complete")

    def test_create__metadata_on_what_holds_the_money(self) -> None:
        """What holds the money can be matched with its payment."""
        assert self.kept_metadata(self.paid()) == METADATA

    def test_create__charges_nobody(self) -> None:
        """Starting a payment takes nothing."""
        snapshot = self.gateway.retrieve_payment(ref_of(self.create()))
        assert snapshot.status == ProviderStatus.OPEN
        assert snapshot.amount_received is None

    def test_retrieve__what_was_created(self) -> None:
        """A payment is found by what its creation has answered."""
        created = self.create()
        found = self.gateway.retrieve_payment(ref_of(created))
        assert (found.object_id, found.intent_id, found.amount) == (created.object_id, created.intent_id, TEN)
        assert found.kind == created.kind
        self.assert_plain(found)

    def test_retrieve__unknown_object(self) -> None:
        """No object is a refusal, and neither a silent provider nor a wrong state."""
        for object_id in self.unknown_ids:
            with self.refused(ProviderError) as refusal:
                self.gateway.retrieve_payment(PaymentRef(object_id, "", "USD"))
            assert not isinstance(refusal.error, ProviderUnavailable | ProviderStateError), refusal.error

    def test_paid(self) -> None:
        """A paid payment says what was taken, and names what holds the money."""
        snapshot = self.gateway.retrieve_payment(self.paid())
        assert snapshot.intent_id
        assert (snapshot.amount, snapshot.amount_received) == (TEN, TEN)
        assert snapshot.failure is None
        self.assert_plain(snapshot)

    def test_declined__can_be_paid_afterwards(self) -> None:
        """A decline is no end."""
        ref = self.declined()
        snapshot = self.gateway.retrieve_payment(ref)
        by_default = ProviderStatus.OPEN if self.gateway.supports_redirect else ProviderStatus.FAILED
        assert snapshot.status == (self.declined_status or by_default)
        assert (snapshot.failure.code if snapshot.failure else "") == self.declined_code
        self.assert_plain(snapshot)
        paid = self.gateway.retrieve_payment(self.pay(ref, self.make_request()))
        assert (paid.status, paid.amount_received) == (ProviderStatus.SUCCEEDED, TEN)

    def test_confirm__only_where_it_is_supported(self) -> None:
        """Without ``supports_confirm`` a confirmation is refused, and changes nothing."""
        if self.gateway.supports_confirm:
            return
        ref = ref_of(self.create())
        with self.refused(UnsupportedByGateway):
            self.gateway.confirm_payment(ref, self.make_request(), idempotency_key=self.key())
        assert self.gateway.retrieve_payment(ref).status == ProviderStatus.OPEN

    def test_confirm__not_approved_yet(self) -> None:
        """What is confirmed after the customer's approval takes nothing before it."""
        if not self.gateway.confirms_on_return:
            return
        ref = ref_of(self.create())
        with self.refused(ProviderStateError):
            self.gateway.confirm_payment(ref, self.make_request(), idempotency_key=self.key())
        self.approve(ref)
        snapshot = self.gateway.retrieve_payment(ref)
        assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.APPROVED, None)

    def test_currencies(self) -> None:
        """Amounts are exact in currencies of no, two and three decimals; the rest is refused before it is sent."""
        assert {currency_format(currency).decimals for currency in self.amounts} >= {0, 2, 3}
        for currency, amount in self.amounts.items():
            if currency in self.refused_currencies:
                with self.refused(UnsupportedCurrency):
                    self.create(amount=amount, currency=currency)
                continue
            snapshot = self.create(amount=amount, currency=currency)
            assert (snapshot.amount, snapshot.currency) == (Decimal(amount), currency)
            paid = self.gateway.retrieve_payment(self.paid(amount=amount, currency=currency))
            assert (paid.amount, paid.amount_received) == (Decimal(amount), Decimal(amount))
            refund = self.refund(ref_of(paid), amount)
            assert (refund.amount, refund.currency) == (Decimal(amount), currency)

    def test_repr__holds_no_secret(self) -> None:
        """What is printed or logged gives nothing away."""
        snapshot = self.create()
        for text in (repr(snapshot), str(snapshot), repr(self.gateway), repr(self.make_request())):
            assert "secret" not in text
            assert TOKEN not in text
            self.assert_no_secret(text)

    def test_unreachable(self) -> None:
        """Of a call that nobody has answered the outcome is unknown, whichever it was."""
        gateway, ref, key = self.make_unreachable_gateway(), ref_of(self.create()), self.key
        calls: list[Callable[[], object]] = [
            lambda: gateway.create_payment(self.make_request(), idempotency_key=key()),
            lambda: gateway.retrieve_payment(ref),
            lambda: gateway.cancel_payment(ref, idempotency_key=key()),
            lambda: gateway.refund_payment(ref, TEN, reason="", metadata={}, idempotency_key=key()),
            lambda: gateway.list_refunds(ref),
        ]
        if gateway.supports_confirm:
            calls.append(lambda: gateway.confirm_payment(ref, self.make_request(), idempotency_key=key()))
        if gateway.supports_manual_capture:
            calls.append(lambda: gateway.capture_payment(ref, TEN, idempotency_key=key()))
        for call in calls:
            with self.refused(ProviderUnavailable):
                call()
