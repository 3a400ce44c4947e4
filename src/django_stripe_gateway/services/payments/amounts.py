"""Check the amounts that callers ask for, and show what they are made of."""

from __future__ import annotations

import logging
from decimal import Decimal

from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import GatewayError, InvalidAmount
from django_stripe_gateway.gateways.values import LineItem
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.money import quantize_amount, to_minor_units

logger = logging.getLogger(__name__)

NAME_LENGTH = 250
# https://docs.stripe.com/api/checkout/sessions/create: at most 100 line items.
MAX_ITEMS = 100


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


def line_items(payment: AbstractPayment) -> list[LineItem]:
    """Return the payment's purchased items, delivery and tax; one line with the total when they do not add up to it.

    The total is what the payment promises to charge, so it decides; a discount, too, can only be shown that way,
    because providers take no negative prices.
    """
    items = [
        LineItem(name=str(item.name)[:NAME_LENGTH] or _("Item"), price=Decimal(item.price), quantity=int(item.quantity))
        for item in payment.get_purchased_items()
        if int(item.quantity) == item.quantity
    ]
    extra = ((_("Delivery"), payment.delivery), (_("Tax"), payment.tax))
    items += [LineItem(name=name, price=price) for name, price in extra if price]
    currency = payment.currency
    try:
        total = sum(to_minor_units(item.price, currency) * item.quantity for item in items)
        adds_up = bool(items) and total == to_minor_units(payment.total, currency)
    except GatewayError:
        # A discount, or a price that is finer than the currency.
        adds_up = False
    if adds_up and len(items) <= MAX_ITEMS and all(item.quantity > 0 for item in items):
        return items
    logger.warning("The purchased items of payment %s do not add up to its total; showing the total alone.", payment.pk)
    return [LineItem(name=payment.description[:NAME_LENGTH] or _("Payment %s") % payment.pk, price=payment.total)]
