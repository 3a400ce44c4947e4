"""Where an order stands: computed from the payments that the database has, never from what somebody has said.

The receivers, the pages, the admin and ``manage.py settle_orders`` all ask here, so a signal that was lost changes
nothing for long. What was only asked for or authorised pays no order, nor does what somebody else has paid under its
number.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.models import FraudStatus, PaymentStatus
from django_stripe_gateway.payments import format_amount
from shop.models import Order, OrderStatus

ZERO = Decimal(0)
OVER = {PaymentStatus.CANCELLED, PaymentStatus.REJECTED}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the payments of an order come to, in its currency.

    Args:
        price: what the order costs.
        captured: what was taken, ever.
        kept: what of it is here: not refunded, not about to be, not disputed.
        authorised: what waits for its capture.
        disputed: what the customer's bank has taken back, or may.
        is_cancelled: whether every attempt at paying was ended.
        strays: payments that name the order and are not for it: of somebody else, in another currency, or of a mode
            or an account that is not the shop's now.
    """

    price: Decimal
    currency: str
    captured: Decimal
    kept: Decimal
    authorised: Decimal
    disputed: Decimal
    is_cancelled: bool
    strays: tuple[Any, ...]

    @property
    def refunded(self) -> Decimal:
        """What was given back, or is on its way."""
        return self.captured - self.disputed - self.kept

    @property
    def surplus(self) -> Decimal:
        """What was paid, or is authorised, too much."""
        return max(self.kept + self.authorised - self.price, ZERO)

    @property
    def status(self) -> OrderStatus:
        """What the shop has to do."""
        if self.kept >= self.price:
            return OrderStatus.PAID
        if self.disputed:
            return OrderStatus.DISPUTED
        if self.refunded:
            return OrderStatus.PARTLY_REFUNDED if self.kept else OrderStatus.REFUNDED
        if self.kept + self.authorised >= self.price:
            return OrderStatus.RESERVED
        if self.kept:
            return OrderStatus.PARTLY_PAID
        return OrderStatus.CANCELLED if self.is_cancelled else OrderStatus.OPEN

    @property
    def is_open(self) -> bool:
        """Whether the customer may still pay: not once anything was taken, reserved or ended."""
        return self.status == OrderStatus.OPEN and not self.authorised

    @property
    def sentence(self) -> str:
        """Say the same in words, for example "Partly paid: 0.50 of 240.00 EUR"."""
        match self.status:
            case OrderStatus.DISPUTED:
                return f"Disputed: {self._of(self.disputed, self.price)}"
            case OrderStatus.REFUNDED | OrderStatus.PARTLY_REFUNDED:
                return f"Refunded: {self._of(self.refunded, self.captured)}"
            case OrderStatus.PAID | OrderStatus.PARTLY_PAID:
                return f"{self.status.label}: {self._of(self.kept, self.price)}"
            case _ if self.authorised:
                return f"Authorised, not taken: {self._of(self.authorised, self.price)}"
        return f"Paid: {self._of(ZERO, self.price)}"

    def _of(self, part: Decimal, whole: Decimal) -> str:
        return f"{format_amount(part, self.currency)} of {format_amount(whole, self.currency)} {self.currency}"


def standing(order: Order) -> Standing:
    """Return where an order stands now."""
    payments = get_payment_model().objects
    named = payments.for_order(order.number).order_by("pk").select_related("owner")
    own = [payment for payment in named if is_for(payment, order)]
    statuses = {payment.status for payment in own}
    disputed = [payment for payment in own if payment.fraud_status in (FraudStatus.REVIEW, FraudStatus.REJECT)]
    return Standing(
        price=order.amount,
        currency=order.currency,
        captured=total(own, "captured_amount"),
        kept=payments.paid_amount(owner=order.owner, order_id=order.number, currency=order.currency),
        authorised=total([payment for payment in own if payment.is_preauthorized], "total"),
        disputed=total(disputed, "captured_amount") - total(disputed, "refunded_amount"),
        # One that has only run out can be tried again.
        is_cancelled=PaymentStatus.CANCELLED in statuses <= OVER,
        strays=tuple(payment for payment in named if payment not in own),
    )


def settle(order: Order) -> Standing:
    """Bring an order's status to where its payments are, and return where that is.

    Under the order's lock: when two payments come at once, the later one counts both. A shop that sends a parcel or
    a mail would do so here, where ``fulfilled`` is set: once, however often it is paid again, refunded or disputed.
    """
    with transaction.atomic():
        locked = Order.objects.select_for_update().get(pk=order.pk)
        found = standing(locked)
        if locked.status != found.status:
            locked.status = found.status
            locked.save(update_fields=["status"])
        if found.status == OrderStatus.PAID and locked.fulfilled is None:
            locked.fulfilled = timezone.now()
            locked.save(update_fields=["fulfilled"])
    order.status, order.fulfilled = found.status, locked.fulfilled
    return found


def is_for(payment: Any, order: Order) -> bool:
    """Return whether a payment that names the order is its owner's, in its currency, and of the account of now.

    Whoever may call the API can write any number there, so the number alone proves nothing.
    """
    named = (payment.order_id, payment.owner_id, payment.currency)
    return bool(payment.is_of_configured_account) and named == (order.number, order.owner_id, order.currency)


def total(payments: list[Any], field: str) -> Decimal:
    """Add an amount of several payments up."""
    return sum((getattr(payment, field) for payment in payments), ZERO)
