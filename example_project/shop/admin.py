"""Orders for those who work in the shop."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join

from django_stripe_gateway.payments import format_amount
from shop.models import Order
from shop.standing import standing


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """Shows orders; money moves on the pages of the payments."""

    list_display = ("number", "owner", "description", "display_amount", "standing", "created")
    list_select_related = ("owner",)
    list_per_page = 25
    search_fields = ("number", "owner__username")
    fields = (
        "number",
        "owner",
        "description",
        "display_amount",
        "standing",
        "fulfilled",
        "surplus",
        "strays",
        "created",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave placing orders to customers."""
        return False

    @admin.display(description="amount")
    def display_amount(self, order: Order) -> str:
        """Return the price."""
        return order.display_amount()

    @admin.display
    def standing(self, order: Order) -> str:
        """Return where the order stands now."""
        return standing(order).sentence

    @admin.display(description="paid too much")
    def surplus(self, order: Order) -> str:
        """Return what can be given back."""
        return f"{format_amount(standing(order).surplus, order.currency)} {order.currency}"

    @admin.display(description="payments that do not count")
    def strays(self, order: Order) -> str:
        """Return the payments that name the order and are not for it."""
        strays = standing(order).strays
        rows = ((str(payment), str(payment.owner or "nobody")) for payment in strays)
        return format_html_join("; ", "{} by {}", rows) if strays else "none"
