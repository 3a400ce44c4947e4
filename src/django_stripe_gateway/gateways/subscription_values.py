"""What becomes of a running subscription beside its items: its end, and its discounts, with the codes for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SubscriptionEnd:
    """How a subscription ends at once.

    Args:
        credits_unused: what is left of the period is credited to the customer.
        settles_pending: what waits for an invoice, a metered use among it, is invoiced now.
        unpaid_invoice_id: of its open first invoice, which is taken back before: nobody can pay it any more. If it is
            paid by then, nothing ends.
    """

    credits_unused: bool = False
    settles_pending: bool = False
    unpaid_invoice_id: str = ""
    feedback: str = ""
    comment: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DiscountChange:
    """The discounts of a subscription from now on: ``kept`` are ids of those that stay, and one may be new."""

    kept: Sequence[str] = ()
    coupon: str = ""
    promotion_code: str = ""


@dataclass(frozen=True, slots=True)
class PromotionCodeSnapshot:
    """A code that customers enter."""

    promotion_code_id: str
    code: str
    is_active: bool = True
    coupon_id: str = ""
