"""The row of an action, and the methods that an admin gets from its table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from django_stripe_gateway.admin.actions.forms import ConfirmationForm
from django_stripe_gateway.admin.base.display import EMPTY
from django_stripe_gateway.admin.base.lists import AdminBase
from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.services.origins import Origin


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """What a member of staff has asked for.

    Args:
        key: the same for every submission of one form, so that a second click moves no second money.
        values: the further fields of the action's form; none for a selection.
        may: whether they may do another action, by its name, to an object: what one brings about can be two.
    """

    origin: Origin
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    may: Callable[[str, Any], bool] = lambda _name, _subject: False


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done to an object.

    Args:
        name: also names the method that decides who may (``has_<name>_permission``), the page and the list's action.
        label: the button on the object's page.
        label_all: the list's action; "%(verbose_name_plural)s" stands for the model's name.
        run: calls the service and returns a sentence for the person who asked.
        permission: the permission of Django's that it needs: that of what the API does with the same service. Without
            one, ``may_act`` decides.
        is_possible: whether the object's state allows it, as far as the row knows.
        question: what its page asks.
        question_all: what is asked about a selection; without it the list's action is carried out at once.
        at_stake: the amount that is shown for each object of a selection before it is confirmed.
        form: the fields of its page.
    """

    name: str
    label: Any
    label_all: Any
    run: Callable[[Any, ActionRequest], str]
    is_possible: Callable[[Any], bool]
    question: Any
    permission: str = ""
    question_all: Any = ""
    at_stake: Callable[[Any], str] = lambda _subject: EMPTY
    form: type[ConfirmationForm] = ConfirmationForm

    @property
    def bulk_name(self) -> str:
        """The name of the list's action."""
        return f"{self.name}_selected"


class ActionTableMixin(AdminBase):
    """Adds ``has_<name>_permission`` and ``<name>_selected`` for each action; a method that a class defines is kept."""

    action_table: ClassVar[Sequence[Action]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "action_table" not in cls.__dict__:
            return
        for action in cls.action_table:
            for method in (_permission_method(action), _selection_method(action)):
                if not hasattr(cls, method.__name__):
                    setattr(cls, method.__name__, method)
        if "actions" not in cls.__dict__:
            cls.actions = tuple(action.bulk_name for action in cls.action_table)

    def may_act(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may do what needs no permission of its own; by default who may change the object."""
        return self.has_change_permission(request, obj)

    def may(self, request: HttpRequest, action: Action, subject: Any) -> bool:
        """Return whether the user may do ``action`` to ``subject``."""
        return self._may(request, action.name, subject)

    def _may(self, request: HttpRequest, name: str, subject: Any) -> bool:
        return bool(getattr(self, f"has_{name}_permission")(request, subject))

    def asked(self, request: HttpRequest, key: str, values: Mapping[str, Any] | None = None) -> ActionRequest:
        """Return what the user has asked for."""
        return ActionRequest(staff_origin(request), key, values or {}, partial(self._may, request))

    def object_label(self, subject: Any) -> str:
        """Return what messages call the object: "Payment 17"."""
        return f"{capfirst(self.opts.verbose_name)} {subject.pk}"

    def status_label(self, subject: Any) -> str:
        """Return what pages and messages call the object's status."""
        return str(subject.get_status_display())

    def report_done(self, request: HttpRequest, action: Action, subject: Any, result: str) -> None:
        """Show the person what became of the object, and keep it in the admin's history."""
        self.message_user(request, f"{self.object_label(subject)}: {result}", messages.SUCCESS)
        self.log_change(request, subject, f"{action.label}: {result}")

    def render_action(self, request: HttpRequest, template: str, action: Action, **further: Any) -> TemplateResponse:
        """Return a page that asks about the action."""
        context = {"title": action.label, "opts": self.opts, "action": action, **further}
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, self.admin_site.each_context(request) | context)

    def run_selected(self, request: HttpRequest, queryset: QuerySet[Any], action: Action) -> HttpResponse | None:
        """Carry out ``action`` for each selected object."""
        raise NotImplementedError


def staff_origin(request: HttpRequest) -> Origin:
    """Return the origin that the audit trail keeps for a change made in the admin."""
    return Origin(source=LogSource.ADMIN, actor=f"user:{request.user.pk}")


def _permission_method(action: Action) -> Callable[..., bool]:
    def has_permission(self: ActionTableMixin, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(action.permission) if action.permission else self.may_act(request, obj)

    has_permission.__name__ = f"has_{action.name}_permission"
    return has_permission


def _selection_method(action: Action) -> Callable[..., HttpResponse | None]:
    @admin.action(permissions=[action.name], description=action.label_all)
    def selected(self: ActionTableMixin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self.run_selected(request, queryset, action)

    selected.__name__ = action.bulk_name
    return selected
