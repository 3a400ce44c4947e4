"""The same action for many objects at once, from the list."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from django_stripe_gateway.admin.actions.forms import read_key
from django_stripe_gateway.admin.actions.report import reported_errors
from django_stripe_gateway.admin.actions.table import Action, ActionTableMixin
from django_stripe_gateway.admin.base.atomicity import refuse_inside_transaction


class SelectedActionsMixin(ActionTableMixin):
    """Carries out the list's actions; one with a question for a selection is confirmed in a second step."""

    confirmation_template = "admin/django_stripe_gateway/action_selected.html"
    #: Each object is one or more calls to the provider within one request.
    max_objects_per_action = 100

    def row_label(self, subject: Any) -> str:
        """Return what the list to confirm calls an object."""
        return str(subject.pk)

    def run_selected(self, request: HttpRequest, queryset: QuerySet[Any], action: Action) -> HttpResponse | None:
        """Ask, and then carry out ``action`` for each selected object."""
        too_many = _("Select at most %(count)d %(objects)s at once.")
        subjects = limited_rows(self, request, queryset, self.max_objects_per_action, too_many)
        if subjects and action.question_all and request.POST.get("confirmed") != "yes":
            return self._ask(request, subjects, action)
        if not subjects or refuse_inside_transaction(self, request):
            return None
        asked = self.asked(request, read_key(request.POST.get("key")))
        for subject in subjects:
            label = self.object_label(subject)
            if not self.may(request, action, subject):
                self.message_user(request, f"{label}: {_('you may not do this.')}", messages.ERROR)
                continue
            with reported_errors(self, request, label):
                self.report_done(request, action, subject, action.run(subject, asked))
        return None

    def _ask(self, request: HttpRequest, subjects: list[Any], action: Action) -> HttpResponse:
        rows = [
            {
                "subject": subject,
                "label": self.row_label(subject),
                "status": self.status_label(subject),
                "amount": action.at_stake(subject),
                "is_possible": action.is_possible(subject),
            }
            for subject in subjects
        ]
        further = {
            "rows": rows,
            "possible": any(row["is_possible"] for row in rows),
            "key": uuid.uuid4(),
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return self.render_action(request, self.confirmation_template, action, **further)


def limited_rows(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any], most: int, too_many: str
) -> list[Any]:
    """Return the selected rows; none if there are more than ``most``, which ``too_many`` says to the person."""
    rows = list(queryset[: most + 1])
    if len(rows) <= most:
        return rows
    values = {"count": most, "objects": model_admin.opts.verbose_name_plural}
    model_admin.message_user(request, too_many % values, messages.ERROR)
    return []
