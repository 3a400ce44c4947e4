"""Check the amounts that callers ask for."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.exceptions import InvalidAmount
from django_stripe_gateway.money import quantize_amount, to_minor_units


def validate_amount(amount: Decimal, currency: str) -> Decimal:
    """Return ``amount`` with the currency's decimals.

    Raises:
        InvalidAmount: not positive, too large or too fine.
        UnsupportedCurrency: Stripe does not charge in the currency.
    """
    if to_minor_units(amount, currency) == 0:
        raise InvalidAmount("The amount must be greater than zero.", field="amount")
    return quantize_amount(amount, currency)


def validate_part(amount: Decimal | None, whole: Decimal, currency: str) -> Decimal:
    """Return the part of ``whole`` that was asked for, all of it for ``None``.

    Raises:
        InvalidAmount: not positive, too fine, or more than ``whole``.
    """
    if amount is None:
        return quantize_amount(whole, currency)
    exact = validate_amount(amount, currency)
    if exact > whole:
        raise InvalidAmount(
            f"The amount is more than the {quantize_amount(whole, currency)} that are left.",
            code="amount_too_large",
            field="amount",
        )
    return exact
