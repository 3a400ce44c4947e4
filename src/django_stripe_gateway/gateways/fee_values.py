"""What a provider keeps of a payment, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class FeeDetail:
    """One part of a fee.

    Args:
        kind: in the provider's words: "stripe_fee", "application_fee" (a platform's), "tax".
        currency: need not be the settlement's: a platform takes its part in the payment's currency.
    """

    kind: str
    amount: Decimal
    currency: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class RefundFees:
    """What all refunds of a payment have taken from the account.

    Args:
        fee: what the refunds cost besides, in the settlement's currency; negative where fees were given back.
        net: by how much they have changed the account's balance: negative.
    """

    fee: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class FeesSnapshot:
    """How a payment was booked on the seller's account.

    Args:
        currency: of the account that it was settled to, and of all amounts here; need not be the payment's.
        amount: what was taken, in that currency.
        fee: what the provider, and a platform, keep of it.
        net: what is left.
        exchange_rate: from the payment's currency to this one; ``None`` where they are the same.
        available_on: from when it can be paid out; ``None`` where the provider does not say.
        details: what the fee is made of, where the provider says.
        refunds: ``None`` unless they were asked for.
    """

    currency: str
    amount: Decimal
    fee: Decimal
    net: Decimal
    exchange_rate: Decimal | None = None
    available_on: datetime | None = None
    details: tuple[FeeDetail, ...] = ()
    refunds: RefundFees | None = None

    @property
    def net_after_refunds(self) -> Decimal | None:
        """What is left once the refunds are booked; ``None`` unless they were asked for."""
        return None if self.refunds is None else self.net + self.refunds.net
