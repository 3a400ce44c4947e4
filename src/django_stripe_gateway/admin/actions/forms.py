"""The forms that actions ask with."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import display_money
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS, format_amount


class ConfirmationForm(forms.Form):
    """Asks for a confirmation."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, subject: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subject = subject
        for field in self.fields.values():
            # As the admin's own forms write them.
            field.label = capfirst(field.label)


class AmountForm(ConfirmationForm):
    """Asks for an amount, too; the service checks it against the locked row."""

    amount = forms.DecimalField(label=_("amount"), max_digits=MAX_DIGITS, decimal_places=DECIMAL_PLACES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        largest, currency = self.largest(), self.subject.currency
        try:
            self.fields["amount"].initial = format_amount(largest, currency)
        except GatewayError:
            self.fields["amount"].initial = largest
        self.fields["amount"].help_text = _("At most %(limit)s.") % {"limit": display_money(largest, currency)}

    def largest(self) -> Decimal:
        """Return the largest amount that makes sense, in the subject's currency."""
        raise NotImplementedError


def read_key(value: str | None) -> str:
    """Return the key that a confirmation carried, or a fresh one when it is not one of ours."""
    try:
        return str(uuid.UUID(value or ""))
    except ValueError:
        return str(uuid.uuid4())
