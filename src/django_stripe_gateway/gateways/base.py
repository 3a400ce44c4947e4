"""The interface that every gateway for payments implements.

A gateway talks to one account of one provider. It holds no state, knows neither models nor HTTP requests, and raises
only the exceptions of ``django_stripe_gateway.exceptions``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.fee_values import FeesSnapshot
from django_stripe_gateway.gateways.further_params import TakesFurtherParams
from django_stripe_gateway.gateways.values import (
    DisputeSnapshot,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    RefundSnapshot,
)


class Gateway(TakesFurtherParams, ABC):
    """One account at one provider.

    Every method that changes something takes the ``idempotency_key`` under which the caller has already committed its
    intention. Raised everywhere: ``ProviderTimeout`` and ``ProviderUnavailable`` when the outcome is unknown,
    ``ProviderStateError`` when the object's state forbids it, ``ProviderError`` for any other refusal.
    """

    #: The gateway returns a page to send the customer to.
    supports_redirect: ClassVar[bool] = False
    #: ``confirm_payment`` can be called from the server.
    supports_confirm: ClassVar[bool] = False
    #: Payments can be authorised first and captured later.
    supports_manual_capture: ClassVar[bool] = False
    #: A capture may be for less than what was authorised.
    supports_partial_capture: ClassVar[bool] = False
    #: A refund may be for less than what was captured, and be repeated.
    supports_partial_refund: ClassVar[bool] = False
    #: What the customer has approved on the provider's page is taken by ``confirm_payment``, once they are back.
    confirms_on_return: ClassVar[bool] = False
    #: Payments can be a customer's of the account's billing: their cards are saved, and charged later without them.
    supports_customers: bool = False
    #: Payments can be a platform's, whose money goes on to a connected account; decided for each account as well.
    supports_destinations: bool = False
    #: A platform keeps a fee of what it passes on, or of what is paid on a seller's account: ``capture_payment`` takes
    #: ``application_fee`` then, ``refund_payment`` takes ``reverse_transfer`` and ``refund_application_fee``.
    supports_application_fees: bool = False
    #: It says what the provider keeps of a payment; a gateway decides that for each of its accounts.
    supports_fees: bool = False

    #: A new payment is confirmed right away with a test payment method (development).
    confirms_at_once: bool = False

    @property
    @abstractmethod
    def livemode(self) -> bool:
        """Whether real money moves."""

    def is_account_id(self, text: str) -> bool:
        """Return whether the provider's ids of connected accounts are spelt so."""
        return False

    @abstractmethod
    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Start a payment; nothing is charged yet."""

    def find_payment(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return the object that an earlier attempt at ``create_payment`` has made, found by the request's metadata.

        Asked before the payment is started a second time, because the provider may have forgotten the idempotency key.
        ``None`` where there is none, or where the provider cannot list such objects: one that nobody is sent to takes
        no money.

        Args:
            since: the object was not made before; of our clock.
        """
        return None

    @abstractmethod
    def confirm_payment(self, ref: PaymentRef, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Charge ``request.payment_method``, or carry on after the customer has authenticated.

        Raises:
            PaymentDeclined: the payment method was declined; the payment can be tried again.
        """

    def for_object(self, object_id: str) -> Gateway:
        """Return the gateway of the flow that a payment was started in, by the id of what was made for it."""
        return self

    def charge_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Charge a saved payment method of ``request.customer_id``'s, who is not there, in one call.

        Returns:
            The payment, also one that was declined (``FAILED``), or for which the customer has to authenticate
            (``AUTHENTICATION_REQUIRED``): both can be confirmed later.
        """
        raise UnsupportedByGateway("This gateway cannot charge a saved payment method.")

    def find_charge(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return what an earlier attempt at ``charge_payment`` has made; see ``find_payment``."""
        raise UnsupportedByGateway("This gateway cannot charge a saved payment method.")

    @abstractmethod
    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask where a payment stands."""

    @abstractmethod
    def capture_payment(self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str) -> PaymentSnapshot:
        """Take ``amount`` of an authorised payment; the rest is released."""

    @abstractmethod
    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Cancel an unpaid payment, or release an authorised one."""

    @abstractmethod
    def refund_payment(
        self, ref: PaymentRef, amount: Decimal, *, reason: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> RefundSnapshot:
        """Give back ``amount``."""

    @abstractmethod
    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return all refunds of a payment, whoever made them."""

    def retrieve_fees(self, ref: PaymentRef, *, with_refunds: bool = False) -> FeesSnapshot | None:
        """Ask how a payment was booked on the seller's account; ``None`` while it is not.

        Args:
            with_refunds: also how its refunds were.

        Raises:
            UnsupportedByGateway: the provider does not say.
        """
        raise UnsupportedByGateway("This gateway does not say what it keeps of a payment.")

    def retrieve_dispute(self, dispute_id: str) -> DisputeSnapshot:
        """Ask where a dispute stands."""
        raise UnsupportedByGateway("This gateway knows of no disputes.")

    def list_disputes(self, since: datetime | None = None) -> Iterator[DisputeSnapshot]:
        """Yield the account's disputes, the newest first; those that were opened since a moment of our clock."""
        return iter(())
