"""What a payment is made of, as its customer sees it on the provider's page."""

from __future__ import annotations

import logging
from decimal import Decimal

from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.values import LineItem
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.money import to_minor_units

logger = logging.getLogger(__name__)

NAME_LENGTH = 250
# https://docs.stripe.com/api/checkout/sessions/create: at most 100 line items.
MAX_ITEMS = 100


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
