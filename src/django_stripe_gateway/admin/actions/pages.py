"""A page for each action, reached from the object's own page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _

from django_stripe_gateway.admin.actions.forms import ConfirmationForm
from django_stripe_gateway.admin.actions.report import report_error
from django_stripe_gateway.admin.actions.table import Action, ActionTableMixin
from django_stripe_gateway.admin.base.atomicity import outside_of_transactions, refuse_inside_transaction
from django_stripe_gateway.exceptions import GatewayError, InvalidInput, ProviderUnavailable


class ActionPagesMixin(ActionTableMixin):
    """Adds a page such as ``<payment>/capture/`` for each action, and their links to the object's page."""

    change_form_template = "admin/django_stripe_gateway/action_change_form.html"
    action_template = "admin/django_stripe_gateway/action.html"

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return what somebody should see before they confirm an action: names and values."""
        return [(_("Status"), self.status_label(subject))]

    def get_urls(self) -> list[Any]:
        """Put the pages of the actions before the admin's own."""
        view = outside_of_transactions(self.admin_site.admin_view(self.action_view))
        pages = [
            path(f"<path:object_id>/{action.name}/", view, {"action": action}, name=self._url_name(action.name))
            for action in self.action_table
        ]
        return pages + super().get_urls()

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _url(self, page: str, subject: Any) -> str:
        args = [quote(subject.pk)]
        return reverse(f"admin:{self._url_name(page)}", args=args, current_app=self.admin_site.name)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer the actions that the object's state and the user's permissions allow."""
        subject = kwargs.get("obj")
        context["possible_actions"] = [
            {"name": action.name, "label": action.label, "url": self._url(action.name, subject)}
            for action in self.action_table
            if subject is not None and action.is_possible(subject) and self.may(request, action, subject)
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def action_view(self, request: HttpRequest, object_id: str, action: Action) -> HttpResponse:
        """Ask for confirmation (and the amount) on GET, do it on POST."""
        subject = self.get_object(request, unquote(object_id))
        if subject is None:
            raise Http404
        # The page shows the object.
        if not (self.has_view_or_change_permission(request, subject) and self.may(request, action, subject)):
            raise PermissionDenied
        back = HttpResponseRedirect(self._url("change", subject))
        if request.method != "POST":
            if not action.is_possible(subject):
                text = _("The status “%(status)s” does not allow this.")
                self.message_user(request, text % {"status": self.status_label(subject)}, messages.WARNING)
                return back
            return self._render_action(request, action, action.form(subject=subject))
        form = action.form(request.POST, subject=subject)
        if form.is_valid() and (refuse_inside_transaction(self, request) or self._run(request, action, form)):
            return back
        # The same form again: its key makes the next attempt carry on with this one.
        return self._render_action(request, action, form)

    def _run(self, request: HttpRequest, action: Action, form: ConfirmationForm) -> bool:
        """Carry out the action and report it; return whether the form is done with."""
        values = dict(form.cleaned_data)
        asked = self.asked(request, str(values.pop("key")), values)
        label = self.object_label(form.subject)
        try:
            result = action.run(form.subject, asked)
        except InvalidInput as error:
            form.add_error(error.field if error.field in form.fields else None, error.detail)
            return False
        except GatewayError as error:
            report_error(self, request, label, error)
            return not isinstance(error, ProviderUnavailable)
        self.report_done(request, action, form.subject, result)
        return True

    def _render_action(self, request: HttpRequest, action: Action, form: ConfirmationForm) -> HttpResponse:
        subject = form.subject
        facts, back_url = self.facts(subject), self._url("change", subject)
        further = {"subtitle": str(subject), "form": form, "facts": facts, "back_url": back_url}
        return self.render_action(request, self.action_template, action, **further)
