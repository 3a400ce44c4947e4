"""Show money in its currency's own precision."""

from __future__ import annotations

from decimal import Decimal

from django import template

from django_stripe_gateway.payments import format_amount

register = template.Library()


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency: ``{{ payment.total|money:payment.currency }}``."""
    return f"{format_amount(amount, currency)} {currency}"
