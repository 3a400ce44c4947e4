"""The moves of payments, and who may make them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.display import display_money
from django_stripe_gateway.admin.moves import MOVES, Move
from django_stripe_gateway.admin.selecting import SelectedMovesMixin


class MoveActionsMixin(SelectedMovesMixin):
    """Adds capture, refund, cancel and sync.

    ``has_capture_permission`` and its kin decide who may; by default whoever may change the payment.
    """

    moves = MOVES
    actions = ("capture_selected", "refund_selected", "cancel_selected", "sync_selected")

    def has_capture_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may capture."""
        return self.has_change_permission(request, obj)

    def has_refund_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may refund."""
        return self.has_change_permission(request, obj)

    def has_cancel_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may cancel and release."""
        return self.has_change_permission(request, obj)

    def has_sync_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may ask the provider and have its answer written."""
        return self.has_change_permission(request, obj)

    @admin.action(permissions=["capture"], description=gettext_lazy("Capture selected %(verbose_name_plural)s"))
    def capture_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Capture the whole amount."""
        return self.move_selected(request, queryset, MOVES["capture"])

    @admin.action(
        permissions=["refund"], description=gettext_lazy("Refund the rest of selected %(verbose_name_plural)s")
    )
    def refund_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Refund all that is left."""
        return self.move_selected(request, queryset, MOVES["refund"])

    @admin.action(
        permissions=["cancel"], description=gettext_lazy("Cancel or release selected %(verbose_name_plural)s")
    )
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Cancel, or release."""
        return self.move_selected(request, queryset, MOVES["cancel"])

    @admin.action(
        permissions=["sync"], description=gettext_lazy("Ask the provider about selected %(verbose_name_plural)s")
    )
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Bring payments and refunds in step with the provider."""
        return self.move_selected(request, queryset, MOVES["sync"])

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return where the payment's money is."""
        return [
            *super().facts(subject),
            (_("Amount"), display_money(subject.total, subject.currency)),
            (_("Captured"), display_money(subject.captured_amount, subject.currency)),
            (_("Refunded"), display_money(subject.refunded_amount, subject.currency)),
        ]

    def row_label(self, subject: Any) -> str:
        """Return the payment's number and order."""
        return f"{subject.pk} ({subject.order_id})" if subject.order_id else str(subject.pk)

    def amount_at_stake(self, subject: Any, move: Move) -> str:
        """Return what is left of the payment, or all of it."""
        # Refunds under way are not subtracted here: that would ask the database about each payment.
        paid = subject.captured_amount - subject.refunded_amount
        return display_money(paid if move.has_reason else subject.total, subject.currency)
