"""The same move for many objects at once, from the list."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from django_stripe_gateway.admin.atomicity import refuse_inside_transaction
from django_stripe_gateway.admin.forms import read_key
from django_stripe_gateway.admin.moves import Move, Order, staff_origin
from django_stripe_gateway.admin.reporting import reported_errors

if TYPE_CHECKING:
    from django_stripe_gateway.admin.pages import MovePagesMixin

    _Base = MovePagesMixin
else:
    _Base = object


class SelectedMovesMixin(_Base):
    """Carries out actions; each is confirmed in a second step, except for asking the provider."""

    confirmation_template = "admin/django_stripe_gateway/move_selected.html"
    #: Each object is one or more calls to the provider within one request.
    max_objects_per_action = 100

    def row_label(self, subject: Any) -> str:
        """Return what the list to confirm calls an object."""
        return str(subject.pk)

    def amount_at_stake(self, subject: Any, move: Move) -> str:
        """Return the amount that the list to confirm shows."""
        raise NotImplementedError

    def move_selected(self, request: HttpRequest, queryset: QuerySet[Any], move: Move) -> HttpResponse | None:
        """Ask, and then do ``move`` to each selected object."""
        subjects = list(queryset[: self.max_objects_per_action + 1])
        if len(subjects) > self.max_objects_per_action:
            text = _("Select at most %(count)d %(objects)s at once.")
            values = {"count": self.max_objects_per_action, "objects": self.opts.verbose_name_plural}
            self.message_user(request, text % values, messages.ERROR)
            return None
        if move.asks_first and request.POST.get("confirmed") != "yes":
            return self._ask(request, subjects, move)
        if refuse_inside_transaction(self, request):
            return None
        order = Order(origin=staff_origin(request), key=read_key(request.POST.get("key")))
        for subject in subjects:
            self._move_one(request, subject, move, order)
        return None

    def _move_one(self, request: HttpRequest, subject: Any, move: Move, order: Order) -> None:
        label = self.label(subject)
        if not self.may(request, move, subject):
            self.message_user(request, f"{label}: {_('you may not do this.')}", messages.ERROR)
            return
        with reported_errors(self, request, label):
            result = move.perform(subject, order)
            self.message_user(request, f"{label}: {result}", messages.SUCCESS)
            self.log_change(request, subject, f"{move.label}: {result}")

    def _ask(self, request: HttpRequest, subjects: list[Any], move: Move) -> HttpResponse:
        rows = [
            {
                "subject": subject,
                "label": self.row_label(subject),
                "amount": self.amount_at_stake(subject, move),
                "is_possible": move.is_possible(subject),
            }
            for subject in subjects
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
