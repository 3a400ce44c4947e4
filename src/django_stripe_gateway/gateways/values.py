"""The values that cross the interface of payments, in the words of no provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class ProviderStatus(StrEnum):
    """Where a payment stands at its provider."""

    OPEN = "open"  # the customer has still to pay
    APPROVED = "approved"  # the customer has agreed; the money is taken when we confirm
    REQUIRES_ACTION = "requires_action"  # the customer has to authenticate
    # A charge without the customer was refused, because they have to authenticate: confirmed anew, once they are there.
    AUTHENTICATION_REQUIRED = "authentication_required"
    PROCESSING = "processing"  # an asynchronous payment method has not settled
    AUTHORIZED = "authorized"  # waits for its capture
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the attempt failed; another one may be made on the same object
    REJECTED = "rejected"  # failed or expired for good; only a new object can be paid
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed."""

    code: str = ""
    decline_code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class PaidWith:
    """What a payment was made with, as its payer knows it again.

    Args:
        method_type: in the provider's words: "card", "sepa_debit", "paypal", or the wallet that held the card.
        card_brand: "visa", in lower case; empty for what is no card.
        card_last4: the last four digits of the card's number.
        receipt_url: the provider's receipt; it opens to whoever has it.
    """

    method_type: str = ""
    card_brand: str = ""
    card_last4: str = ""
    receipt_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TransferTerms:
    """What becomes of a platform's payment: whose money it is, and what the platform keeps of it.

    Args:
        destination: the provider's id of the account that the money goes on to; empty for the platform itself.
        on_behalf_of: of the account that is shown as the merchant, and whose country's rules count.
        application_fee: what the platform keeps, in the payment's currency; ``None`` for nothing.
    """

    destination: str = ""
    on_behalf_of: str = ""
    application_fee: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What the page of a payment has added to what was asked for, in the currency's units.

    Args:
        subtotal: what was asked for.
        tax: a part of it may be in the subtotal already, where prices are meant with tax.
    """

    subtotal: Decimal
    tax: Decimal = Decimal(0)
    shipping: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """A payment as its provider sees it at one moment.

    Args:
        kind: the provider's name of the object that was read.
        object_id: its id.
        is_session: the object is the page that the customer pays on; what holds the money has an id of its own.
        intent_id: id of the object that holds the money, when it is known.
        amount: what is asked for, in the currency's units; ``None`` when the object does not say.
        amount_received: what was taken.
        breakdown: of an amount to which the page adds something, or from which it takes something off.
        client_secret: for the customer's browser; never stored or logged.
        action_url: where the customer authenticates; never stored or logged.
        customer_id: the provider's id of whose it is, where it says so.
        charged: when it was paid, or at the latest; ``None`` when the object does not say, and for what is only held.
        paid_with: of the attempt that holds or takes the money, never of one that failed; ``None`` when the object does
            not say.
        raw: the object, without secrets, for the record.
        terms: of a platform's payment; ``None`` when the object does not say.
    """

    status: ProviderStatus
    object_id: str
    kind: str = ""
    is_session: bool = False
    intent_id: str = ""
    amount: Decimal | None = None
    amount_received: Decimal | None = None
    currency: str = ""
    livemode: bool | None = None
    redirect_url: str = ""
    expires_at: datetime | None = None
    client_secret: str = field(default="", repr=False)
    action_url: str = field(default="", repr=False)
    failure: Failure | None = None
    customer_id: str = ""
    charged: datetime | None = None
    paid_with: PaidWith | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    breakdown: Breakdown | None = None
    terms: TransferTerms | None = None


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """A refund as its provider sees it; ``status`` is one of ``RefundStatus``.

    Args:
        is_release: it names money that was held and never taken, and is no refund; ``None`` where only what was
            captured can tell.
        created: when it was asked for.
    """

    refund_id: str
    status: str
    amount: Decimal
    currency: str
    intent_id: str = ""
    reason: str = ""
    failure_reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_release: bool | None = False
    created: datetime | None = None

    def is_released_of(self, authorized: Decimal, captured: Decimal) -> bool:
        """Return whether it is a release, given how much was held and how much of that was taken."""
        if self.is_release is not None:
            return self.is_release
        # Of what was taken wholly nothing was released; of what was not taken nothing can be given back.
        return captured == 0 or self.amount <= authorized - captured


@dataclass(frozen=True, slots=True)
class DisputeSnapshot:
    """A dispute as its provider sees it; ``status`` is the provider's word.

    Args:
        is_refundable: what is disputed could still be refunded.
        is_withdrawn: the money has left the seller's balance, and has not come back.
    """

    dispute_id: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    intent_id: str = ""
    is_refundable: bool = False
    is_withdrawn: bool = False
    evidence_due: datetime | None = None
    opened: datetime | None = None
    livemode: bool | None = None


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
        customer_id: the provider's id of whose payment it is; empty for a guest's.
        save_payment_method: keep what is paid with on the customer, for later charges without them.
        offer_to_save: let the customer say on the provider's page whether it is kept.
        further: what the host adds to the call (``Adapter.further_params``), as the provider spells it.
        terms: of a platform's payment; of none but gateways that support it.
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
    customer_id: str = ""
    save_payment_method: bool = False
    offer_to_save: bool = False
    further: Mapping[str, Any] = field(default_factory=dict, repr=False)
    terms: TransferTerms = TransferTerms()


@dataclass(frozen=True, slots=True)
class PaymentRef:
    """The ids by which a provider knows a payment."""

    object_id: str
    intent_id: str = ""
    currency: str = ""
