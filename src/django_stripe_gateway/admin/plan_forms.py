"""The forms of plans and prices."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.exceptions import GatewayError, InvalidInput
from django_stripe_gateway.gateways.registry import billing_variants
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.rows import exact_amount
from django_stripe_gateway.services.subscriptions.customers import billing_account


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]
    """A plan; one of them is the default."""

    class Meta:
        model = Plan
        fields = ("name", "slug", "description", "auto_renew", "is_default", "is_active", "position")

    def clean(self) -> dict[str, Any]:
        """Refuse a second default plan, and one that is not offered."""
        data = super().clean() or {}
        if data.get("is_default"):
            other = Plan.objects.filter(is_default=True).exclude(pk=self.instance.pk).first()
            if other is not None:
                text = _("%(plan)s is the default plan. Take the mark from it first.") % {"plan": other}
                self.add_error("is_default", text)
            elif not data.get("is_active"):
                self.add_error("is_default", _("The default plan must be active."))
        return data


class PlanPricingForm(forms.ModelForm):  # type: ignore[type-arg]
    """A price; other terms than those that were offered make another price of it."""

    account = forms.ChoiceField(label=_("account"), help_text=_("A Stripe variant of the PAYMENT_VARIANTS setting."))

    class Meta:
        model = PlanPricing
        fields = (
            *("account", "amount", "currency", "interval", "interval_count"),
            *("trial_days", "is_per_seat", "is_active"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account = self.fields.get("account")
        if not isinstance(account, forms.ChoiceField):
            return
        names = list(billing_variants())
        if self.instance.pk:
            account.disabled = True
            names = [self.instance.account]
        else:
            account.initial = _default_account()
        account.choices = [(name, name) for name in names]

    def clean_currency(self) -> str:
        """Return the code as it is stored."""
        return str(self.cleaned_data["currency"]).upper()

    def clean(self) -> dict[str, Any]:
        """Refuse an amount that cannot be charged."""
        data = super().clean() or {}
        if data.get("amount") is not None and data.get("currency"):
            try:
                data["amount"] = exact_amount(data["amount"], data["currency"])
            except InvalidInput as error:
                self.add_error(error.field or None, error.detail)
        return data


def _default_account() -> str:
    try:
        return billing_account()
    except GatewayError:
        # A system check says so.
        return ""
