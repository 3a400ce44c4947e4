"""What the shop's pages accept."""

from __future__ import annotations

from django import forms


class BuyForm(forms.Form):
    """The order that a product's button places."""

    number = forms.RegexField(r"^\d{12}$")
    card = forms.CharField(required=False, max_length=255, help_text="One that the customer has saved; else a new one.")
    save = forms.BooleanField(required=False, help_text="Keep the new card.")


class AmountForm(forms.Form):
    """A part of a payment; empty for all that is left."""

    amount = forms.DecimalField(required=False, max_digits=12, decimal_places=3)
