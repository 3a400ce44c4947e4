"""Admin of refunds; they are made on their payment's page."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import money_column, payment_link
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin, ReadOnlyInline
from django_stripe_gateway.models import Refund


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Refunds, newest first."""

    ordering = ("-id",)
    list_display = ("id", "created", "payment_number", "provider_id", "money", "status", "reason")
    list_filter = ("status", "reason", "created")
    date_hierarchy = "created"
    search_fields = ("provider_id__exact", "payment__id__exact", "payment__order_id", "payment__intent_id__exact")
    fields = readonly_fields = tuple(
        "payment_number provider_id money status reason failure_reason created modified".split()
    )

    payment_number = staticmethod(payment_link)
    money = money_column("amount", _("amount"))


class RefundInline(ReadOnlyInline):
    """The refunds of a payment."""

    model = Refund
    fields = readonly_fields = ("provider_id", "money", "status", "reason", "failure_reason", "created")
    money = money_column("amount", _("amount"))
