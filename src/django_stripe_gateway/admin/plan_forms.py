"""The forms of plans and prices."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.exceptions import GatewayError, InvalidInput
from django_stripe_gateway.gateways.registry import billing_variants
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.rows import exact_amount
from django_stripe_gateway.services.subscriptions.customers import billing_variant


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

    variant = forms.ChoiceField(label=_("variant"), help_text=_("A Stripe variant of the PAYMENT_VARIANTS setting."))

    class Meta:
        model = PlanPricing
        fields = (
            *("variant", "amount", "currency", "interval", "interval_count"),
            *("trial_days", "is_per_seat", "is_active"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variant = self.fields.get("variant")
        if not isinstance(variant, forms.ChoiceField):
            return
        names = list(billing_variants())
        if self.instance.pk:
            variant.disabled = True
            names = [self.instance.variant]
        else:
            variant.initial = _default_variant()
        variant.choices = [(name, name) for name in names]

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


def _default_variant() -> str:
    try:
        return billing_variant()
    except GatewayError:
        # A system check says so.
        return ""
