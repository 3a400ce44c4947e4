"""Admin of operations: what was asked of providers, and which answers are missing."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from payments import get_payment_model

from django_stripe_gateway.admin.display import display_money, payment_link
from django_stripe_gateway.admin.filters import AbandonedFilter
from django_stripe_gateway.admin.resuming import OperationAdmin
from django_stripe_gateway.models import BillingOperation, PaymentOperation


@admin.register(PaymentOperation)
class PaymentOperationAdmin(OperationAdmin):
    """What was asked about payments."""

    list_display = ("id", "created", "payment_number", "kind", "state", "money", "attempts", "leased_until")
    list_filter = ("state", AbandonedFilter, "kind", "created")
    list_select_related = ("payment",)
    search_fields = ("payment__id__exact", "payment__order_id", "object_id__exact", "idempotency_key__exact")
    fields = readonly_fields = (
        "payment_number",
        "kind",
        "state",
        "money",
        "object_id",
        "idempotency_key",
        "attempts",
        "leased_until",
        "problem",
        "created",
        "modified",
    )
    payment_number = staticmethod(payment_link)

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle operations, which can move money: whoever may change payments."""
        meta = get_payment_model()._meta
        return request.user.has_perm(f"{meta.app_label}.change_{meta.model_name}")

    @admin.display(description=gettext_lazy("amount"), ordering="amount")
    def money(self, operation: PaymentOperation) -> str:
        """Return the amount in the payment's currency."""
        return display_money(operation.amount, operation.payment.currency)


@admin.register(BillingOperation)
class BillingOperationAdmin(OperationAdmin):
    """What was asked about customers and their subscriptions."""

    list_display = ("id", "created", "customer", "subscription", "kind", "state", "attempts", "leased_until")
    list_filter = ("state", AbandonedFilter, "kind", "created")
    list_select_related = ("customer", "subscription")
    search_fields = (
        "customer__customer_id__exact",
        "subscription__subscription_id__exact",
        "object_id__exact",
        "idempotency_key__exact",
    )
    fields = readonly_fields = (
        "customer",
        "subscription",
        "kind",
        "state",
        "object_id",
        "idempotency_key",
        "attempts",
        "leased_until",
        "problem",
        "created",
        "modified",
    )

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle operations: whoever may change subscriptions."""
        return request.user.has_perm("django_stripe_gateway.change_subscription")
