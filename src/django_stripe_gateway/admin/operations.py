"""Admin of operations: what was asked of providers, and which answers are missing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from payments import get_payment_model

from django_stripe_gateway.admin.atomicity import NonAtomicActionsMixin, refuse_inside_transaction
from django_stripe_gateway.admin.display import display_json, display_money, payment_link
from django_stripe_gateway.admin.filters import AbandonedFilter
from django_stripe_gateway.admin.moves import staff_origin
from django_stripe_gateway.admin.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.reporting import reported_errors
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.running import resume_operation


@admin.register(PaymentOperation)
class PaymentOperationAdmin(NonAtomicActionsMixin, ReadOnlyAdmin):
    """Operations, newest first; abandoned ones can be settled."""

    ordering = ("-id",)
    actions = ("resume_selected",)
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
    max_operations_per_action = 100
    payment_number = staticmethod(payment_link)

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle operations, which can move money: whoever may change payments."""
        meta = get_payment_model()._meta
        return request.user.has_perm(f"{meta.app_label}.change_{meta.model_name}")

    @admin.action(
        permissions=["resume"], description=gettext_lazy("Resume selected pending operations with the provider")
    )
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Settle the selected operations that nobody is working on."""
        operations = list(queryset[: self.max_operations_per_action + 1])
        if len(operations) > self.max_operations_per_action:
            text = _("Select at most %(count)d operations at once.") % {"count": self.max_operations_per_action}
            self.message_user(request, text, messages.ERROR)
            return
        if refuse_inside_transaction(self, request):
            return
        for operation in operations:
            label = _("Operation %(id)s") % {"id": operation.pk}
            with reported_errors(self, request, label):
                resume_operation(operation.pk, origin=staff_origin(request))
                operation.refresh_from_db()
                state = operation.get_state_display()
                self.message_user(request, f"{label}: {state}.", messages.SUCCESS)

    @admin.display(description=gettext_lazy("amount"), ordering="amount")
    def money(self, operation: PaymentOperation) -> str:
        """Return the amount in the payment's currency."""
        return display_money(operation.amount, operation.payment.currency)

    @admin.display(description=gettext_lazy("error"))
    def problem(self, operation: PaymentOperation) -> SafeString | str:
        """Return the provider's refusal."""
        return display_json(operation.error)
