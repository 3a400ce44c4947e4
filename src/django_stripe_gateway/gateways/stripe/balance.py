"""Balance transactions: how a charge and its refunds were booked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways.fee_values import FeeDetail, FeesSnapshot, RefundFees
from django_stripe_gateway.gateways.stripe.charges import intent_charge
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    moment,
    optional_entries,
    optional_text,
    part,
    reads,
    signed_amount_of,
    text,
)


@reads("a payment")
def charge_fees(obj: Object) -> FeesSnapshot | None:
    """Return how an intent's charge was booked; ``None`` while it is not, such as before its capture.

    Args:
        obj: the intent, or the session that holds it, with the charge's balance transaction expanded.
    """
    intent = part(obj.get("payment_intent")) if obj.get("object") == "checkout.session" else obj
    charge = intent_charge(intent)
    booked = part(charge.get("balance_transaction"))
    if charge.get("status") != "succeeded" or not booked:
        return None
    currency, rate = text(booked["currency"]), booked.get("exchange_rate")
    return FeesSnapshot(
        currency=currency.upper(),
        amount=signed_amount_of(booked["amount"], currency),
        fee=signed_amount_of(booked["fee"], currency),
        net=signed_amount_of(booked["net"], currency),
        exchange_rate=None if rate is None else _rate(rate),
        available_on=moment(booked.get("available_on")),
        details=tuple(_detail(entry, currency) for entry in optional_entries(_listed(booked.get("fee_details")))),
    )


@reads("a refund")
def refund_bookings(obj: Object) -> list[tuple[str, RefundFees]]:
    """Return how a refund was booked: not at all, once, or a second time, the other way, after it has failed."""
    booked = [part(obj.get(name)) for name in ("balance_transaction", "failure_balance_transaction")]
    return [
        (
            text(one["currency"]).upper(),
            RefundFees(
                fee=signed_amount_of(one["fee"], text(one["currency"])),
                net=signed_amount_of(one["net"], text(one["currency"])),
            ),
        )
        for one in booked
        if one
    ]


def add_refunds(fees: FeesSnapshot, bookings: Iterable[list[tuple[str, RefundFees]]]) -> FeesSnapshot:
    """Return the fees with what the refunds have taken; without, where those were booked in another currency."""
    total = RefundFees(Decimal(0), Decimal(0))
    for currency, booked in (one for of_refund in bookings for one in of_refund):
        if currency != fees.currency:
            return fees
        total = RefundFees(total.fee + booked.fee, total.net + booked.net)
    return dataclasses.replace(fees, refunds=total)


def _listed(value: Any) -> Any:
    return None if value is None else {"data": value}


def _detail(entry: Object, settlement: str) -> FeeDetail:
    currency = text(entry.get("currency"), settlement)
    return FeeDetail(
        kind=text(entry["type"])[:64],
        amount=signed_amount_of(entry["amount"], currency),
        currency=currency.upper(),
        description=optional_text(entry.get("description") or "")[:255],
    )


def _rate(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError("a rate is a number")
    rate = Decimal(str(value))
    if not rate.is_finite() or not 0 < rate < 10**9:
        raise ValueError("no rate of exchange")
    return rate.quantize(Decimal("1e-9"))
