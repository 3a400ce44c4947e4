"""A shop's orders, and the payments that settle them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.db import models
from payments import PurchasedItem

from django_stripe_gateway.models import AbstractPayment


class Order(models.Model):
    """What a customer buys: ``lines`` is a list of name, price and quantity."""

    number = models.CharField(max_length=32, unique=True)
    lines = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.number


class ShopPayment(AbstractPayment):
    """A payment of an order."""

    # Not "order": its column would be AbstractPayment's order_id.
    purchase = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments", null=True, blank=True)
    channel = models.CharField(max_length=16, default="web")

    class Meta(AbstractPayment.Meta):
        verbose_name = "shop payment"

    def get_purchased_items(self) -> Iterator[PurchasedItem]:
        """Show the order's lines."""
        if self.purchase is None:
            yield from super().get_purchased_items()
            return
        for name, price, quantity in self.purchase.lines:
            yield PurchasedItem(name, quantity, Decimal(price), self.currency, sku=self.purchase.number)
