"""Admin of refunds; they are made on their payment's page."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.display import money_column, payment_link
from django_stripe_gateway.admin.lists import DatedListMixin
from django_stripe_gateway.admin.readonly import ReadOnlyAdmin
from django_stripe_gateway.models import Refund


@admin.register(Refund)
class RefundAdmin(DatedListMixin, ReadOnlyAdmin):
    """Refunds, newest first."""

    ordering = ("-id",)
    list_display = ("id", "created", "payment_number", "refund_id", "money", "status", "reason")
    list_filter = ("status", "reason", "created")
    date_hierarchy = "created"
    search_fields = ("refund_id__exact", "payment__id__exact", "payment__order_id", "payment__intent_id__exact")
    fields = readonly_fields = (
        "payment_number",
        "refund_id",
        "money",
        "status",
        "reason",
        "failure_reason",
        "created",
        "modified",
    )

    payment_number = staticmethod(payment_link)
    money = staticmethod(money_column("amount", _("amount")))
