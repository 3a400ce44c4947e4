"""What the shop's pages accept."""

from __future__ import annotations

from django import forms


class BuyForm(forms.Form):
    """The order that a product's button places."""

    number = forms.RegexField(r"^\d{12}$")


class AmountForm(forms.Form):
    """A part of a payment; empty for all that is left."""

    amount = forms.DecimalField(required=False, max_digits=12, decimal_places=3)
