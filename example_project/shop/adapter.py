"""What the shop decides about payments: what they cost, whoever asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from django_stripe_gateway.adapter import Adapter, Price
from django_stripe_gateway.exceptions import InvalidInput
from shop.catalogue import find_product
from shop.models import Order
from shop.standing import standing


class ShopAdapter(Adapter):
    """An order costs what it costs, whatever a client of the API says."""

    def price_payment(self, request: Any, data: Mapping[str, Any]) -> Price:
        """Return the price of the order that the client names.

        With ``SHOP_SELLS_ORDERS_ONLY`` nothing else can be paid. Without it, in development, a payment that names no
        order of the shop's costs what the client says, so that the API can be tried.

        Raises:
            InvalidInput: there is no such order of this customer's, or it is not open any more.
        """
        number = data.get("order_id") or ""
        order = Order.objects.filter(number=number).select_related("owner").first() if number else None
        if order is None and not settings.SHOP_SELLS_ORDERS_ONLY:
            return super().price_payment(request, data)
        if order is None or order.owner != request.user:
            raise InvalidInput("You have no such order.", field="order_id")
        product = find_product(order.product)
        if product is None or order.fulfilled is not None or not standing(order).is_open:
            raise InvalidInput("This order cannot be paid any more.", field="order_id")
        return {
            "amount": order.amount,
            "currency": order.currency,
            "description": order.description,
            "capture_method": product.capture_method,
        }
