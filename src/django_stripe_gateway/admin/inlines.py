"""What belongs to a payment, a subscription or a customer, on its page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.display import display_json, display_money, money_column
from django_stripe_gateway.admin.readonly import ReadOnlyInline
from django_stripe_gateway.models import (
    Invoice,
    PaymentLog,
    PaymentOperation,
    Refund,
    Subscription,
    SubscriptionLog,
)
from django_stripe_gateway.models.logs import AbstractLog


class RefundInline(ReadOnlyInline):
    """The refunds of a payment."""

    model = Refund
    fields = readonly_fields = ("refund_id", "money", "status", "reason", "failure_reason", "created")
    money = staticmethod(money_column("amount", _("amount")))


class OperationInline(ReadOnlyInline):
    """What was asked of the provider about a payment."""

    model = PaymentOperation
    fields = readonly_fields = ("kind", "state", "money", "attempts", "object_id", "problem", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring the payment along: its currency is the amounts'."""
        return super().get_queryset(request).select_related("payment")

    @admin.display(description=_("amount"))
    def money(self, operation: PaymentOperation) -> str:
        """Return the amount in the payment's currency."""
        return display_money(operation.amount, operation.payment.currency)

    @admin.display(description=_("error"))
    def problem(self, operation: PaymentOperation) -> SafeString | str:
        """Return the provider's refusal."""
        return display_json(operation.error)


class LogInline(ReadOnlyInline):
    """An audit trail, oldest first."""

    fields = readonly_fields = ("created", "event", "source", "actor", "message", "values", "event_id")

    @admin.display(description=_("data"))
    def values(self, log: AbstractLog) -> SafeString | str:
        """Return the values that were written with the line."""
        return display_json(log.data)


class PaymentLogInline(LogInline):
    """The audit trail of a payment."""

    model = PaymentLog


class SubscriptionLogInline(LogInline):
    """The audit trail of a subscription."""

    model = SubscriptionLog


class InvoiceInline(ReadOnlyInline):
    """The invoices of a subscription."""

    model = Invoice
    fields = readonly_fields = ("number", "status", "total_money", "paid_money", "issued", "requires_action")
    total_money = staticmethod(money_column("total", _("total")))
    paid_money = staticmethod(money_column("amount_paid", _("paid")))


class SubscriptionInline(ReadOnlyInline):
    """The subscriptions of a customer."""

    model = Subscription
    fields = readonly_fields = ("subscription_id", "plan", "status", "quantity", "current_period_end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring the plans along."""
        return super().get_queryset(request).select_related("plan")
