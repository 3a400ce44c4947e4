"""Admin of operations: what was asked of providers, and which answers are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.report import reported_errors
from django_stripe_gateway.admin.actions.selection import limited_rows
from django_stripe_gateway.admin.actions.table import staff_origin
from django_stripe_gateway.admin.base.atomicity import NonAtomicActionsMixin, refuse_inside_transaction
from django_stripe_gateway.admin.base.display import json_column, money_column, payment_link
from django_stripe_gateway.admin.base.filters import AbandonedFilter
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin, ReadOnlyInline
from django_stripe_gateway.conf.permissions import GIVE_UP, RESUME_OPERATION
from django_stripe_gateway.models import (
    BillingOperation,
    CatalogueOperation,
    ConnectOperation,
    PaymentOperation,
)
from django_stripe_gateway.services.giving_up import give_up_operation
from django_stripe_gateway.services.operations.engine import resume


class OperationAdmin(NonAtomicActionsMixin, ReadOnlyAdmin):
    """Operations, newest first; abandoned ones can be settled."""

    ordering = ("-id",)
    list_filter = ("state", AbandonedFilter, "kind", "created")
    actions = ("resume_selected", "give_up_selected")
    max_operations_per_action = 100
    problem = json_column("error", gettext_lazy("error"))

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle operations, which can move the money that somebody has asked for."""
        return request.user.has_perm(RESUME_OPERATION)

    def has_give_up_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may give up on operations: it ends them here, whatever the provider does."""
        return request.user.has_perm(GIVE_UP)

    @admin.action(
        permissions=["resume"], description=gettext_lazy("Resume selected pending operations with the provider")
    )
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Settle the selected operations that nobody is working on."""

        def settle(operation: Any) -> Any:
            resume(type(operation), operation.pk, staff_origin(request))
            operation.refresh_from_db()
            return operation

        self.close_selected(request, queryset, settle)

    @admin.action(permissions=["give_up"], description=gettext_lazy("Give up on selected pending operations"))
    def give_up_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Close the selected operations whose outcome nobody will ever tell."""

        def give_up(operation: Any) -> Any:
            reason = _("selected in the admin's list")
            return give_up_operation(operation=operation, reason=reason, origin=staff_origin(request))

        self.close_selected(request, queryset, give_up)

    def close_selected(self, request: HttpRequest, queryset: QuerySet[Any], close: Callable[[Any], Any]) -> None:
        """Close each selected operation, and say what has become of it."""
        too_many = _("Select at most %(count)d operations at once.")
        operations = limited_rows(self, request, queryset, self.max_operations_per_action, too_many)
        if not operations or refuse_inside_transaction(self, request):
            return
        for operation in operations:
            label = _("Operation %(id)s") % {"id": operation.pk}
            with reported_errors(self, request, label):
                state = close(operation).get_state_display()
                self.message_user(request, f"{label}: {state}.", messages.SUCCESS)


@admin.register(PaymentOperation)
class PaymentOperationAdmin(OperationAdmin):
    """What was asked about payments."""

    list_display = ("id", "created", "payment_number", "kind", "state", "money", "attempts", "leased_until")
    list_select_related = ("payment",)
    search_fields = ("payment__id__exact", "payment__order_id", "object_id__exact", "idempotency_key__exact")
    fields = readonly_fields = tuple(
        "payment_number kind state money object_id idempotency_key attempts leased_until problem created "
        "modified".split()
    )
    payment_number = staticmethod(payment_link)
    money = money_column("amount", gettext_lazy("amount"), currency="payment.currency")


class OperationInline(ReadOnlyInline):
    """What was asked of the provider about a payment."""

    model = PaymentOperation
    fields = readonly_fields = ("kind", "state", "money", "attempts", "object_id", "problem", "created")
    money = money_column("amount", gettext_lazy("amount"), currency="payment.currency")
    problem = json_column("error", gettext_lazy("error"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring the payment along: its currency is the amounts'."""
        return super().get_queryset(request).select_related("payment")


@admin.register(BillingOperation)
class BillingOperationAdmin(OperationAdmin):
    """What was asked about customers and their subscriptions."""

    list_display = ("id", "created", "customer", "subscription", "kind", "state", "attempts", "leased_until")
    list_select_related = ("customer", "subscription")
    search_fields = (
        "customer__provider_id__exact",
        "subscription__provider_id__exact",
        "object_id__exact",
        "idempotency_key__exact",
    )
    fields = readonly_fields = tuple(
        "customer subscription kind state object_id idempotency_key attempts leased_until problem created "
        "modified".split()
    )


@admin.register(CatalogueOperation)
class CatalogueOperationAdmin(OperationAdmin):
    """What was asked about plans and their prices."""

    list_display = ("id", "created", "plan", "pricing", "variant", "kind", "state", "attempts", "leased_until")
    list_select_related = ("plan", "pricing")
    search_fields = ("plan__slug__exact", "object_id__exact", "idempotency_key__exact")
    fields = readonly_fields = tuple(
        "plan pricing variant kind state object_id idempotency_key attempts leased_until problem created "
        "modified".split()
    )


@admin.register(ConnectOperation)
class ConnectOperationAdmin(OperationAdmin):
    """What was asked about accounts of sellers."""

    list_display = ("id", "created", "connected_account", "kind", "state", "attempts", "leased_until")
    list_select_related = ("connected_account",)
    search_fields = ("connected_account__provider_id__exact", "object_id__exact", "idempotency_key__exact")
    fields = readonly_fields = tuple(
        "connected_account kind state object_id idempotency_key attempts leased_until problem created modified".split()
    )
