"""What a payment was made with: the card's brand and last four digits, and the provider's receipt."""

from __future__ import annotations

from django_stripe_gateway.choices import LogEvent
from django_stripe_gateway.gateways.values import PaidWith
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAID

#: The columns that hold it.
PAID_WITH = ("payment_method_type", "card_brand", "card_last4", "receipt_url")


def take_paid_with(payment: AbstractPayment, used: PaidWith, *, was_paid: bool) -> None:
    """Set the columns of a locked payment to what the attempt that holds its money was made with; save them yourself.

    A receipt stays where nothing is said of one: events are kept without addresses. What was erased does not come back.
    """
    if was_paid and not payment.payment_method_type and _is_erased(payment):
        return
    payment.payment_method_type, payment.card_brand = used.method_type, used.card_brand
    payment.card_last4 = used.card_last4
    payment.receipt_url = used.receipt_url or payment.receipt_url


def write_paid_with(payment: AbstractPayment, used: PaidWith) -> bool:
    """Write the same to the row, if it is anything new; return whether it is."""
    before = [getattr(payment, name) for name in PAID_WITH]
    take_paid_with(payment, used, was_paid=payment.status in PAID)
    changed = [name for name, value in zip(PAID_WITH, before, strict=True) if getattr(payment, name) != value]
    if changed:
        payment.save(update_fields=[*changed, "modified"])
    return bool(changed)


def _is_erased(payment: AbstractPayment) -> bool:
    return bool(payment.logs.using(payments_database()).filter(event=LogEvent.ERASED).exists())
