"""Payments whose customer is charged more or less than was asked for: taxes, delivery and discounts of their page.

They are added by parameters of the host's own (``Adapter.further_params``), and only then a page may. What was asked
for is kept with the operation that makes the page; the page has to say exactly how it comes from that to its amount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import LogEvent, OperationKind
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment, PaymentOperation
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import PageDecides
from django_stripe_gateway.services.transactions import payments_database

#: Where an operation keeps what was asked for.
KEPT_AS = "asked"
COLUMNS = ("total", "tax", "delivery")
PAID = (ProviderStatus.SUCCEEDED, ProviderStatus.AUTHORIZED)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a payment costs: ``total`` with ``tax`` and ``delivery``."""

    total: Decimal
    tax: Decimal
    delivery: Decimal


def kept_amounts(payment: AbstractPayment) -> dict[str, str]:
    """Return what is asked for, as an operation keeps it whose page may charge more or less."""
    return {name: str(getattr(payment, name)) for name in COLUMNS}


def agreed_amounts(payment: AbstractPayment, snapshot: PaymentSnapshot, operation: PaymentOperation | None) -> Amounts:
    """Return what a payment costs by what its page says, if the page may say so; else as it is.

    Args:
        operation: our own call that brought the snapshot.

    Raises:
        PageDecides: it was paid, and how the amount comes about is for the page to say.
    """
    current = Amounts(payment.total, payment.tax, payment.delivery)
    breakdown, amount = snapshot.breakdown, snapshot.amount
    # Most pages charge what was asked for, which costs no query.
    if amount is None or (breakdown is None and amount == payment.total):
        return current
    asked = asked_amounts(payment, operation)
    if asked is None:
        return current
    if breakdown is None:
        if snapshot.is_session:
            return current
        if snapshot.status in PAID:
            raise PageDecides("amount differs")
        # Nothing was taken; what holds the money says no more than how much it would be.
        return Amounts(amount, payment.tax, payment.delivery)
    added = amount - (breakdown.subtotal + breakdown.shipping - breakdown.discount)
    # Where prices are meant with tax, it is in the subtotal already.
    if breakdown.subtotal != asked.total or not 0 <= added <= breakdown.tax:
        # Another amount than the payment's: the caller says so, and keeps what was paid.
        return current
    return Amounts(amount, asked.tax + breakdown.tax, asked.delivery + breakdown.shipping)


def take_amounts(payment: AbstractPayment, agreed: Amounts, snapshot: PaymentSnapshot, origin: Origin) -> None:
    """Set what a paid payment has cost, and log it; the caller saves it."""
    before = Amounts(payment.total, payment.tax, payment.delivery)
    if agreed == before:
        return
    payment.total, payment.tax, payment.delivery = agreed.total, agreed.tax, agreed.delivery
    discount = snapshot.breakdown.discount if snapshot.breakdown else Decimal(0)
    amounts = {"total": agreed.total, "tax": agreed.tax, "delivery": agreed.delivery, "discount": discount}
    data = {name: format_amount(amount, payment.currency) for name, amount in amounts.items()}
    data["asked"] = format_amount(before.total, payment.currency)
    message = f"{data['asked']} -> {data['total']} by taxes, delivery and discounts of its page"
    write_log(payment, LogEvent.UPDATED, origin, message, data)


def take_back_amounts(payment: AbstractPayment) -> list[str]:
    """Set what was asked for again on a payment that is started anew, and return the columns that this has changed.

    Only what a page has held or taken was set by it; a total that is another one was changed by the host since.
    """
    if not payment.intent_id or payment.authorized_amount != payment.total:
        return []
    asked = asked_amounts(payment)
    if asked is None:
        return []
    changed = [name for name in COLUMNS if getattr(payment, name) != getattr(asked, name)]
    for name in changed:
        setattr(payment, name, getattr(asked, name))
    return changed


def asked_amounts(payment: AbstractPayment, operation: PaymentOperation | None = None) -> Amounts | None:
    """Return what the operation has asked for that has made the payment's page, if that may charge otherwise."""
    params: Mapping[str, Any] | None = (
        operation.params if operation and operation.kind == OperationKind.CREATE else None
    )
    if params is None:
        made = payment.operations.using(payments_database()).filter(kind=OperationKind.CREATE).order_by("-pk")
        params = made.values_list("params", flat=True).first()
    kept = (params or {}).get(KEPT_AS)
    return None if kept is None else Amounts(**{name: Decimal(kept[name]) for name in COLUMNS})
