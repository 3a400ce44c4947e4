"""A page for each move, reached from the object's own page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from django_stripe_gateway.admin.atomicity import outside_of_transactions, refuse_inside_transaction
from django_stripe_gateway.admin.forms import MoveForm
from django_stripe_gateway.admin.moves import Move, Order, staff_origin
from django_stripe_gateway.admin.reporting import report_error
from django_stripe_gateway.exceptions import GatewayError, InvalidInput, ProviderUnavailable

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object


class MovePagesMixin(_Base):
    """Adds a page such as ``<payment>/capture/`` for each move, and their links to the object's page.

    For each move ``has_<move>_permission`` decides who may.
    """

    moves: ClassVar[Mapping[str, Move]]
    change_form_template = "admin/django_stripe_gateway/move_change_form.html"
    move_template = "admin/django_stripe_gateway/move.html"

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return what somebody should see before they confirm a move: names and values."""
        return [(_("Status"), subject.get_status_display())]

    def label(self, subject: Any) -> str:
        """Return what messages call the object: "Payment 17"."""
        return f"{capfirst(self.opts.verbose_name)} {subject.pk}"

    def may(self, request: HttpRequest, move: Move, subject: Any) -> bool:
        """Return whether the user may do ``move`` to ``subject``."""
        return bool(getattr(self, f"has_{move.name}_permission")(request, subject))

    def get_urls(self) -> list[Any]:
        """Put the pages of the moves before the admin's own."""
        return [self._move_path(move) for move in self.moves.values()] + super().get_urls()

    def _move_path(self, move: Move) -> Any:
        view = partial(self.move_view, move=move)
        update_wrapper(view, self.move_view)
        callback = outside_of_transactions(self.admin_site.admin_view(view))
        return path(f"<path:object_id>/{move.name}/", callback, name=self._url_name(move.name))

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _url(self, page: str, subject: Any) -> str:
        args = [quote(subject.pk)]
        return reverse(f"admin:{self._url_name(page)}", args=args, current_app=self.admin_site.name)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer the moves that the object's state and the user's permissions allow."""
        subject = kwargs.get("obj")
        context["possible_moves"] = [
            {"name": move.name, "label": move.label, "url": self._url(move.name, subject)}
            for move in self.moves.values()
            if subject is not None and move.is_possible(subject) and self.may(request, move, subject)
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def move_view(self, request: HttpRequest, object_id: str, *, move: Move) -> HttpResponse:
        """Ask for confirmation (and the amount) on GET, do it on POST."""
        subject = self.get_object(request, unquote(object_id))
        if subject is None:
            raise Http404
        if not self.may(request, move, subject):
            raise PermissionDenied
        back = HttpResponseRedirect(self._url("change", subject))
        if request.method != "POST":
            if not move.is_possible(subject):
                text = _("The status “%(status)s” does not allow this.")
                self.message_user(request, text % {"status": subject.get_status_display()}, messages.WARNING)
                return back
            return self._render_move(request, move, subject, MoveForm(move=move, subject=subject))
        form = MoveForm(request.POST, move=move, subject=subject)
        if not form.is_valid():
            return self._render_move(request, move, subject, form)
        if refuse_inside_transaction(self, request) or self._do(request, move, subject, form):
            return back
        # The same form again: its key makes the next attempt carry on with this one.
        return self._render_move(request, move, subject, form)

    def _do(self, request: HttpRequest, move: Move, subject: Any, form: MoveForm) -> bool:
        """Do the move and report it; return whether the form is done with."""
        data = form.cleaned_data
        order = Order(
            origin=staff_origin(request),
            key=str(data["key"]),
            amount=data.get("amount"),
            reason=data.get("reason", ""),
        )
        label = self.label(subject)
        try:
            result = move.perform(subject, order)
        except InvalidInput as error:
            form.add_error(error.field if error.field in form.fields else None, error.detail)
            return False
        except GatewayError as error:
            report_error(self, request, label, error)
            return not isinstance(error, ProviderUnavailable)
        self.log_change(request, subject, f"{move.label}: {result}")
        self.message_user(request, f"{label}: {result}", messages.SUCCESS)
        return True

    def _render_move(self, request: HttpRequest, move: Move, subject: Any, form: MoveForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": move.label,
            "subtitle": str(subject),
            "opts": self.opts,
            "move": move,
            "form": form,
            "facts": self.facts(subject),
            "back_url": self._url("change", subject),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.move_template, context)
