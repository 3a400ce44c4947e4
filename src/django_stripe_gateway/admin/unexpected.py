"""Admin of unexpected money; it is decided about on its payment's page."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import money_column, payment_link
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.models import UnexpectedPayment


@admin.register(UnexpectedPayment)
class UnexpectedPaymentAdmin(ReadOnlyAdmin):
    """Unexpected money, newest first."""

    ordering = ("-id",)
    list_display = ("id", "payment_number", "money", "state", "reason", "is_held", "created")
    list_filter = ("state", "reason", "created")
    date_hierarchy = "created"
    search_fields = ("intent_id__exact", "object_id__exact", "payment__id__exact")
    fields = readonly_fields = tuple(
        "payment_number object_id intent_id money reason state is_held created modified".split()
    )

    payment_number = staticmethod(payment_link)
    money = money_column("amount", _("amount"))
