"""The interface that every gateway implements, and the values that cross it.

A gateway talks to one account of one provider. It holds no state, knows neither models nor HTTP requests, and raises
only the exceptions of ``django_stripe_gateway.exceptions``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar


class ProviderStatus(StrEnum):
    """Where a payment stands at its provider."""

    OPEN = "open"  # the customer has still to pay
    APPROVED = "approved"  # the customer has agreed; the money is taken when we confirm
    REQUIRES_ACTION = "requires_action"  # the customer has to authenticate
    PROCESSING = "processing"  # an asynchronous payment method has not settled
    AUTHORIZED = "authorized"  # waits for its capture
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the attempt failed; another one may be made on the same object
    REJECTED = "rejected"  # failed or expired for good; only a new object can be paid
    CANCELED = "canceled"


#: Pages of a provider that the customer pays on: the object that holds the money has an id of its own.
SESSION_KINDS = frozenset({"checkout.session", "paypal.order"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed."""

    code: str = ""
    decline_code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """A payment as its provider sees it at one moment.

    Args:
        kind: the provider's name of the object that was read ("payment_intent", "checkout.session").
        object_id: its id.
        intent_id: id of the object that holds the money, when it is known.
        amount: what is asked for, in the currency's units; ``None`` when the object does not say.
        amount_received: what was taken.
        client_secret: for the customer's browser; never stored or logged.
        raw: the object, without secrets, for the record.
    """

    kind: str
    status: ProviderStatus
    object_id: str
    intent_id: str = ""
    amount: Decimal | None = None
    amount_received: Decimal | None = None
    currency: str = ""
    livemode: bool | None = None
    redirect_url: str = ""
    expires_at: datetime | None = None
    client_secret: str = field(default="", repr=False)
    failure: Failure | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_session(self) -> bool:
        """Whether the object is the page that the customer pays on, and not what holds the money."""
        return self.kind in SESSION_KINDS


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """A refund as its provider sees it; ``status`` is one of ``RefundStatus``."""

    refund_id: str
    status: str
    amount: Decimal
    currency: str
    intent_id: str = ""
    reason: str = ""
    failure_reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DisputeSnapshot:
    """A dispute as its provider sees it; ``status`` is the provider's word."""

    dispute_id: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    intent_id: str = ""


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line that the customer sees; ``price`` is for one piece, in the currency's units."""

    name: str
    price: Decimal
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What a gateway needs to start a payment.

    Args:
        metadata: kept on every object made at the provider, so that its events can be matched.
        expires_at: when an unpaid Checkout Session closes, ``None`` for the provider's own time.
    """

    amount: Decimal
    currency: str
    token: str = field(repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    description: str = ""
    manual_capture: bool = False
    items: Sequence[LineItem] = ()
    success_url: str = field(default="", repr=False)
    cancel_url: str = field(default="", repr=False)
    customer_email: str = field(default="", repr=False)
    payment_method: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentRef:
    """The ids by which a provider knows a payment."""

    object_id: str
    intent_id: str = ""
    currency: str = ""


class Gateway(ABC):
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

    provider: ClassVar[str] = ""

    @property
    @abstractmethod
    def livemode(self) -> bool:
        """Whether real money moves."""

    @property
    def confirms_at_once(self) -> bool:
        """Whether a new payment is confirmed right away with a test payment method (development)."""
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
