"""The form of one move."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.display import display_money
from django_stripe_gateway.admin.moves import Move
from django_stripe_gateway.choices import RefundReason
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS, format_amount


class MoveForm(forms.Form):
    """Asks for what ``move`` needs; the service checks the amount against the locked row."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    amount = forms.DecimalField(label=_("amount"), max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES)
    reason = forms.ChoiceField(label=_("reason"), required=False, choices=[("", "---------"), *RefundReason.choices])

    def __init__(self, *args: Any, move: Move, subject: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not move.has_reason:
            del self.fields["reason"]
        if move.largest is None:
            del self.fields["amount"]
            return
        largest = move.largest(subject)
        try:
            self.fields["amount"].initial = format_amount(largest, subject.currency)
        except GatewayError:
            self.fields["amount"].initial = largest
        limit = display_money(largest, subject.currency)
        self.fields["amount"].help_text = _("At most %(limit)s.") % {"limit": limit}


def read_key(value: str | None) -> str:
    """Return the key that a confirmation carried, or a fresh one when it is not one of ours."""
    try:
        return str(uuid.UUID(value or ""))
    except ValueError:
        return str(uuid.uuid4())
