"""The same moves for many payments at once, from the list."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.atomicity import refuse_inside_transaction
from django_stripe_gateway.admin.display import display_money
from django_stripe_gateway.admin.forms import read_key
from django_stripe_gateway.admin.moves import MOVES, Move, Order, staff_origin
from django_stripe_gateway.admin.reporting import reported_errors

if TYPE_CHECKING:
    from django_stripe_gateway.admin.pages import MovePagesMixin

    _Base = MovePagesMixin
else:
    _Base = object


class MoveActionsMixin(_Base):
    """Adds the actions; each is confirmed in a second step, except for asking the provider."""

    actions = ("capture_selected", "refund_selected", "cancel_selected", "sync_selected")
    confirmation_template = "admin/django_stripe_gateway/move_payments.html"
    #: Each payment is one or more calls to the provider within one request.
    max_payments_per_action = 100

    @admin.action(permissions=["capture"], description=gettext_lazy("Capture selected %(verbose_name_plural)s"))
    def capture_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Capture the whole amount."""
        return self._move_selected(request, queryset, MOVES["capture"])

    @admin.action(
        permissions=["refund"], description=gettext_lazy("Refund the rest of selected %(verbose_name_plural)s")
    )
    def refund_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Refund all that is left."""
        return self._move_selected(request, queryset, MOVES["refund"])

    @admin.action(
        permissions=["cancel"], description=gettext_lazy("Cancel or release selected %(verbose_name_plural)s")
    )
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Cancel, or release."""
        return self._move_selected(request, queryset, MOVES["cancel"])

    @admin.action(
        permissions=["sync"], description=gettext_lazy("Ask the provider about selected %(verbose_name_plural)s")
    )
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Bring payments and refunds in step with the provider."""
        return self._move_selected(request, queryset, MOVES["sync"])

    def _move_selected(self, request: HttpRequest, queryset: QuerySet[Any], move: Move) -> HttpResponse | None:
        payments = list(queryset[: self.max_payments_per_action + 1])
        if len(payments) > self.max_payments_per_action:
            text = _("Select at most %(count)d payments at once.") % {"count": self.max_payments_per_action}
            self.message_user(request, text, messages.ERROR)
            return None
        if move.asks_first and request.POST.get("confirmed") != "yes":
            return self._ask(request, payments, move)
        if refuse_inside_transaction(self, request):
            return None
        order = Order(origin=staff_origin(request), key=read_key(request.POST.get("key")))
        for payment in payments:
            self._move_one(request, payment, move, order)
        return None

    def _move_one(self, request: HttpRequest, payment: Any, move: Move, order: Order) -> None:
        label = _("Payment %(id)s") % {"id": payment.pk}
        if not self.may(request, move, payment):
            self.message_user(request, f"{label}: {_('you may not do this.')}", messages.ERROR)
            return
        with reported_errors(self, request, label):
            result = move.perform(payment, order)
            self.message_user(request, f"{label}: {result}", messages.SUCCESS)
            self.log_change(request, payment, f"{move.label}: {result}")

    def _ask(self, request: HttpRequest, payments: list[Any], move: Move) -> HttpResponse:
        rows = [
            {
                "payment": payment,
                "amount": self._amount_at_stake(payment, move),
                "is_possible": move.is_possible(payment),
            }
            for payment in payments
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": move.label,
            "opts": self.opts,
            "move": move,
            "rows": rows,
            "possible": sum(1 for row in rows if row["is_possible"]),
            "key": uuid.uuid4(),
            "action": f"{move.name}_selected",
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.confirmation_template, context)

    @staticmethod
    def _amount_at_stake(payment: Any, move: Move) -> str:
        # Refunds under way are not subtracted here: that would ask the database about each payment.
        paid = payment.captured_amount - payment.refunded_amount
        return display_money(paid if move.has_reason else payment.total, payment.currency)
