"""The action that settles operations whose answer is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.atomicity import NonAtomicActionsMixin, refuse_inside_transaction
from django_stripe_gateway.admin.display import display_json
from django_stripe_gateway.admin.moves import staff_origin
from django_stripe_gateway.admin.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.reporting import reported_errors
from django_stripe_gateway.services.operations.engine import resume

if TYPE_CHECKING:
    from django_stripe_gateway.models.operations import AbstractOperation


class OperationAdmin(NonAtomicActionsMixin, ReadOnlyAdmin):
    """Operations, newest first; abandoned ones can be settled."""

    ordering = ("-id",)
    actions = ("resume_selected",)
    max_operations_per_action = 100

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may settle operations, which can move money."""
        raise NotImplementedError

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
                resume(type(operation), operation.pk, staff_origin(request))
                operation.refresh_from_db()
                state = operation.get_state_display()
                self.message_user(request, f"{label}: {state}.", messages.SUCCESS)

    @admin.display(description=gettext_lazy("error"))
    def problem(self, operation: AbstractOperation) -> SafeString | str:
        """Return the provider's refusal."""
        return display_json(operation.error)
