"""Orders: what the shop keeps itself. Everything about money is on the payment, tied by ``order_id``."""

from __future__ import annotations

import secrets
from functools import cached_property
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from payments import get_payment_model

from django_stripe_gateway.payments import format_amount


def new_number() -> str:
    """Return a number for an order that is hard to guess and easy to read."""
    return f"{secrets.randbelow(10**12):012d}"


class OrderStatus(models.TextChoices):
    """What the shop has to do with an order."""

    OPEN = "open", "Not paid"
    RESERVED = "reserved", "Reserved"
    PARTLY_PAID = "partly_paid", "Partly paid"
    PAID = "paid", "Paid"
    CANCELLED = "cancelled", "Cancelled"
    PARTLY_REFUNDED = "partly_refunded", "Partly refunded"
    REFUNDED = "refunded", "Refunded"
    DISPUTED = "disputed", "Disputed"


class OrderQuerySet(models.QuerySet["Order"]):
    """Questions about orders."""

    def visible_to(self, user: Any) -> OrderQuerySet:
        """Return a customer's own orders; staff see all of them."""
        return self if user.is_staff else self.filter(owner=user)


class Order(models.Model):
    """One product that somebody wants."""

    number = models.CharField(max_length=12, unique=True, default=new_number, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="orders")
    product = models.CharField(max_length=32)
    description = models.CharField(max_length=255)
    amount = models.DecimalField(max_digits=12, decimal_places=3)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, choices=OrderStatus, default=OrderStatus.OPEN)
    # When it was delivered, which is done once.
    fulfilled = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(auto_now_add=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]

    def __str__(self) -> str:
        return f"Order {self.number}"

    def get_absolute_url(self) -> str:
        """Return the address of the order's page."""
        return reverse("shop:order", kwargs={"number": self.number})

    @cached_property
    def payment(self) -> Any | None:
        """The payment that the order's page shows: one that holds money, or else the first, which is gone on with."""
        payments = get_payment_model().objects.for_owner(self.owner).for_order(self.number)
        found = list(payments.of_configured_account().filter(currency=self.currency).order_by("pk"))
        holding = (payment for payment in found if payment.captured_amount or payment.is_preauthorized)
        wanted = (payment for payment in found if payment.total == self.amount)
        return next(holding, None) or next(wanted, None)

    def display_amount(self) -> str:
        """Return the price with its currency."""
        return f"{format_amount(self.amount, self.currency)} {self.currency}"
