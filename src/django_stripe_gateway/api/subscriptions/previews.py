"""Say what a change would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.money import format_amount


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would cost, if it is made for ``proration_date``."""

    currency: str
    total: Decimal
    amount_due: Decimal
    tax: Decimal
    proration_date: datetime
    lines: list[dict[str, Any]]


def preview_answer(snapshot: InvoiceSnapshot, proration_date: datetime) -> Preview:
    """Return what is shown of the invoice that a change would lead to."""
    return Preview(
        currency=snapshot.currency,
        total=snapshot.total,
        amount_due=snapshot.amount_due,
        tax=snapshot.tax,
        proration_date=proration_date,
        lines=[
            {
                "description": line.description,
                "amount": format_amount(line.amount, snapshot.currency),
                "quantity": line.quantity,
                "is_proration": line.is_proration,
            }
            for line in snapshot.lines
        ],
    )
