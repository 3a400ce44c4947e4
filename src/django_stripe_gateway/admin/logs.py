"""Admin of the audit trails."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import json_column, payment_link
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin, ReadOnlyInline
from django_stripe_gateway.models import PaymentLog, SubscriptionLog


@admin.register(PaymentLog)
class PaymentLogAdmin(ReadOnlyAdmin):
    """Lines of the audit trail, newest first."""

    ordering = ("-id",)
    list_display = ("id", "created", "payment_number", "event", "source", "actor", "message")
    list_filter = ("event", "source", "created")
    search_fields = ("payment__id__exact", "payment__order_id", "event_id__exact", "actor__exact")
    fields = readonly_fields = tuple("payment_number created event source actor message values event_id".split())

    payment_number = staticmethod(payment_link)
    values = json_column("data", _("data"))


class LogInline(ReadOnlyInline):
    """An audit trail, oldest first."""

    fields = readonly_fields = ("created", "event", "source", "actor", "message", "values", "event_id")
    values = json_column("data", _("data"))


class PaymentLogInline(LogInline):
    """The audit trail of a payment."""

    model = PaymentLog


class SubscriptionLogInline(LogInline):
    """The audit trail of a subscription."""

    model = SubscriptionLog
