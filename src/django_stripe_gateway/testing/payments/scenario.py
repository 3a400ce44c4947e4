"""A payment gateway under test, and its customers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import PaymentDeclined
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.values import (
    LineItem,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.testing.scenario import Scenario

TEN = Decimal("10.00")
TOKEN = "token-of-the-payment"  # noqa: S105 (of no payment)
METADATA = {"payment_id": "7", "token": TOKEN}


class PaymentScenario(Scenario, ABC):
    """What the suite asks of the author of a gateway: how customers act, and what the provider's objects say."""

    #: Code of a payment that failed, as its snapshot says it; empty where only the refused call says so.
    declined_code: ClassVar[str] = "card_declined"
    #: Where a payment stands after a decline; ``None`` for open on the provider's page and failed elsewhere.
    declined_status: ClassVar[ProviderStatus | None] = None
    #: Sent with every payment.
    payment_method: ClassVar[str] = ""
    #: The provider's objects say whether real money moves.
    says_livemode: ClassVar[bool] = True
    #: The provider can cancel what nobody has paid; otherwise such a payment is left to its own end.
    cancels_unpaid: ClassVar[bool] = True
    #: An amount in a currency with no, with two and with three decimals, and whatever else is counted in its own way.
    amounts: ClassVar[Mapping[str, str]] = {"JPY": "1000", "EUR": "10.00", "KWD": "12.340", "ISK": "500"}
    #: Those of ``amounts`` that the provider does not take.
    refused_currencies: ClassVar[frozenset[str]] = frozenset()
    #: Ids of no object.
    unknown_ids: ClassVar[tuple[str, ...]] = ("id-of-no-object",)

    @abstractmethod
    def make_gateway(self) -> Gateway:
        """Return the gateway, with an account where no real money moves."""

    @abstractmethod
    def make_unreachable_gateway(self) -> Gateway:
        """Return the gateway of a provider whom nobody can reach."""

    @abstractmethod
    def approve(self, ref: PaymentRef) -> None:
        """Let the customer do their part on the provider's page; nothing where there is none."""

    @abstractmethod
    def decline(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        """Let the payment be declined, and return the ids to go on with; see ``confirm_declined``."""

    @abstractmethod
    def kept_metadata(self, ref: PaymentRef) -> Mapping[str, str]:
        """Return what is kept on the provider's object that holds the money, by the request's names."""

    @abstractmethod
    def forget_keys(self) -> None:
        """Let the provider forget all idempotency keys, as it does after some time."""

    def refund_metadata(self, sent: Mapping[str, str]) -> Mapping[str, str]:
        """Return what comes back of a refund's metadata; ``operation`` always must."""
        return sent

    @property
    def gives_client_secret(self) -> bool:
        """Whether a new payment has a secret for the customer's browser."""
        return self.gateway.supports_confirm and not self.gateway.supports_redirect

    @cached_property
    def gateway(self) -> Gateway:
        """The gateway under test."""
        return self.make_gateway()

    def make_request(self, amount: str = "10.00", currency: str = "USD", **fields: Any) -> PaymentRequest:
        """Return the request of a payment; ``fields`` replace its own."""
        values: dict[str, Any] = {
            "token": TOKEN,
            "metadata": METADATA,
            "description": "Order 7",
            "items": [LineItem("Shoes", Decimal(amount))],
            "success_url": "https://shop.test/success",
            "cancel_url": "https://shop.test/cancel",
            "payment_method": self.payment_method,
        }
        return PaymentRequest(amount=Decimal(amount), currency=currency, **values | fields)

    def create(self, **fields: Any) -> PaymentSnapshot:
        """Start a payment of 10.00 USD."""
        return self.gateway.create_payment(self.make_request(**fields), idempotency_key=self.key())

    def pay(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        """Let the customer pay, and return the ids to go on with."""
        self.approve(ref)
        if not self.gateway.supports_confirm:
            return ref
        return ref_of(self.gateway.confirm_payment(ref, request, idempotency_key=self.key()))

    def paid(self, *, manual: bool = False, **fields: Any) -> PaymentRef:
        """Return the ids of a payment that was paid, or with ``manual`` authorised."""
        request = self.make_request(manual_capture=manual, **fields)
        started = self.gateway.create_payment(request, idempotency_key=self.key())
        snapshot = self.gateway.retrieve_payment(self.pay(ref_of(started), request))
        assert snapshot.status == (ProviderStatus.AUTHORIZED if manual else ProviderStatus.SUCCEEDED), snapshot
        return ref_of(snapshot)

    def declined(self) -> PaymentRef:
        """Return the ids of a payment that was declined."""
        request = self.make_request()
        started = self.gateway.create_payment(request, idempotency_key=self.key())
        return self.decline(ref_of(started), request)

    def confirm_declined(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        """Confirm what is declined, check how that is refused, and return the ids to go on with."""
        with self.refused(PaymentDeclined) as refusal:
            self.gateway.confirm_payment(ref, request, idempotency_key=self.key())
        error = refusal.error
        assert isinstance(error, PaymentDeclined)
        assert not self.declined_code or error.code == self.declined_code, error.code
        assert error.extra["decline_code"]
        return PaymentRef(error.intent_id, error.intent_id, ref.currency) if error.intent_id else ref

    def refund(self, ref: PaymentRef, amount: str, *, operation: str = "1", key: str = "") -> RefundSnapshot:
        """Give back ``amount``, marked as ``operation``."""
        return self.gateway.refund_payment(
            ref,
            Decimal(amount),
            reason="",
            metadata={"token": TOKEN, "operation": operation},
            idempotency_key=key or self.key(),
        )


def ref_of(snapshot: PaymentSnapshot) -> PaymentRef:
    """Return the ids that a payment would keep of a snapshot."""
    return PaymentRef(snapshot.object_id, snapshot.intent_id, snapshot.currency)


def without_intent(ref: PaymentRef) -> PaymentRef:
    """Return the ids that are known before that of the object that holds the money."""
    return PaymentRef(ref.object_id, "", ref.currency)
