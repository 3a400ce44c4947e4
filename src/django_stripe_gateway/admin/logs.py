"""Admin of the audit trail."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.display import display_json, payment_link
from django_stripe_gateway.admin.readonly import ReadOnlyAdmin
from django_stripe_gateway.models import PaymentLog


@admin.register(PaymentLog)
class PaymentLogAdmin(ReadOnlyAdmin):
    """Lines of the audit trail, newest first."""

    ordering = ("-id",)
    list_display = ("id", "created", "payment_number", "event", "source", "actor", "message")
    list_filter = ("event", "source", "created")
    search_fields = ("payment__id__exact", "payment__order_id", "event_id__exact", "actor__exact")
    fields = readonly_fields = (
        "payment_number",
        "created",
        "event",
        "source",
        "actor",
        "message",
        "values",
        "event_id",
    )

    payment_number = staticmethod(payment_link)

    @admin.display(description=_("data"))
    def values(self, log: PaymentLog) -> SafeString | str:
        """Return the values that were written with the line."""
        return display_json(log.data)
