"""A page for each move, reached from the payment's own page."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _

from django_stripe_gateway.admin.atomicity import outside_of_transactions, refuse_inside_transaction
from django_stripe_gateway.admin.display import display_money
from django_stripe_gateway.admin.forms import MoveForm
from django_stripe_gateway.admin.moves import MOVES, Move, Order, staff_origin
from django_stripe_gateway.admin.reporting import report_error
from django_stripe_gateway.exceptions import GatewayError, InvalidInput, ProviderUnavailable

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object


class MovePagesMixin(_Base):
    """Adds ``<payment>/capture/``, ``refund/``, ``cancel/`` and ``sync/``, and their links to the payment's page.

    ``has_capture_permission`` and its kin decide who may; by default whoever may change the payment.
    """

    change_form_template = "admin/django_stripe_gateway/payment_change_form.html"
    move_template = "admin/django_stripe_gateway/move_payment.html"

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

    def may(self, request: HttpRequest, move: Move, payment: Any) -> bool:
        """Return whether the user may do ``move`` to ``payment``."""
        return bool(getattr(self, f"has_{move.name}_permission")(request, payment))

    def get_urls(self) -> list[Any]:
        """Put the pages of the moves before the admin's own."""
        return [self._move_path(move) for move in MOVES.values()] + super().get_urls()

    def _move_path(self, move: Move) -> Any:
        view = partial(self.move_view, move=move)
        update_wrapper(view, self.move_view)
        callback = outside_of_transactions(self.admin_site.admin_view(view))
        return path(f"<path:object_id>/{move.name}/", callback, name=self._url_name(move.name))

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _url(self, page: str, payment: Any) -> str:
        args = [quote(payment.pk)]
        return reverse(f"admin:{self._url_name(page)}", args=args, current_app=self.admin_site.name)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer the moves that the payment's state and the user's permissions allow."""
        payment = kwargs.get("obj")
        context["payment_moves"] = [
            {"name": move.name, "label": move.label, "url": self._url(move.name, payment)}
            for move in MOVES.values()
            if payment is not None and move.is_possible(payment) and self.may(request, move, payment)
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def move_view(self, request: HttpRequest, object_id: str, *, move: Move) -> HttpResponse:
        """Ask for confirmation (and the amount) on GET, do it on POST."""
        payment = self.get_object(request, unquote(object_id))
        if payment is None:
            raise Http404
        if not self.may(request, move, payment):
            raise PermissionDenied
        back = HttpResponseRedirect(self._url("change", payment))
        if request.method != "POST":
            if not move.is_possible(payment):
                text = _("A payment that is “%(status)s” does not allow this.")
                self.message_user(request, text % {"status": payment.get_status_display()}, messages.WARNING)
                return back
            return self._render_move(request, move, payment, MoveForm(move=move, payment=payment))
        form = MoveForm(request.POST, move=move, payment=payment)
        if not form.is_valid():
            return self._render_move(request, move, payment, form)
        if refuse_inside_transaction(self, request) or self._do(request, move, payment, form):
            return back
        # The same form again: its key makes the next attempt carry on with this one.
        return self._render_move(request, move, payment, form)

    def _do(self, request: HttpRequest, move: Move, payment: Any, form: MoveForm) -> bool:
        """Do the move and report it; return whether the form is done with."""
        data = form.cleaned_data
        order = Order(
            origin=staff_origin(request),
            key=str(data["key"]),
            amount=data.get("amount"),
            reason=data.get("reason", ""),
        )
        label = _("Payment %(id)s") % {"id": payment.pk}
        try:
            result = move.perform(payment, order)
        except InvalidInput as error:
            form.add_error(error.field if error.field in form.fields else None, error.detail)
            return False
        except GatewayError as error:
            report_error(self, request, label, error)
            return not isinstance(error, ProviderUnavailable)
        self.log_change(request, payment, f"{move.label}: {result}")
        self.message_user(request, f"{label}: {result}", messages.SUCCESS)
        return True

    def _render_move(self, request: HttpRequest, move: Move, payment: Any, form: MoveForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": move.label,
            "subtitle": str(payment),
            "opts": self.opts,
            "move": move,
            "form": form,
            "payment": payment,
            "amounts": [
                (_("Status"), payment.get_status_display()),
                (_("Amount"), display_money(payment.total, payment.currency)),
                (_("Captured"), display_money(payment.captured_amount, payment.currency)),
                (_("Refunded"), display_money(payment.refunded_amount, payment.currency)),
            ],
            "back_url": self._url("change", payment),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.move_template, context)
