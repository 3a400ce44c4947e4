"""What staff do with a row that nobody can settle; it has a permission of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.forms import ConfirmationForm
from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.conf.permissions import GIVE_UP


class GiveUpForm(ConfirmationForm):
    """Asks why."""

    reason = forms.CharField(label=gettext_lazy("why"), max_length=200)


def give_up_action(service: Callable[..., Any], noun: str, is_possible: Callable[[Any], bool]) -> Action:
    """Return the action for one kind of row.

    Args:
        noun: what the service calls the row.
    """

    def run(subject: Any, asked: ActionRequest) -> str:
        reason = asked.values.get("reason") or _("selected in the admin's list")
        given_up = service(**{noun: subject}, reason=reason, origin=asked.origin)
        return f"{given_up.get_status_display()}."

    return Action(
        name="give_up",
        permission=GIVE_UP,
        label=gettext_lazy("Give up on this"),
        label_all=gettext_lazy("Give up on selected %(verbose_name_plural)s"),
        run=run,
        is_possible=is_possible,
        question=gettext_lazy(
            "End this here, without telling the provider? Only what the provider does not know, or what belongs to "
            "another account, can be given up on. It cannot be taken back."
        ),
        question_all=gettext_lazy(
            "End these here, without telling the provider? What the provider knows is left as it is. It cannot be "
            "taken back."
        ),
        form=GiveUpForm,
    )
