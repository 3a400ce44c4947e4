"""The forms of plans and prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.exceptions import GatewayError, InvalidInput
from django_stripe_gateway.gateways.registry import billing_variants
from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing
from django_stripe_gateway.money import plain_text
from django_stripe_gateway.services.catalogue.rows import exact_amount
from django_stripe_gateway.services.catalogue.rules import (
    Fault,
    faults_between_prices,
    faults_of_limit,
    faults_of_plan,
    faults_of_price,
)
from django_stripe_gateway.services.subscriptions.customers import billing_variant


class RulesMixin(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose values must agree with each other, as those of a catalogue file."""

    def faults(self) -> Iterable[Fault]:
        """Return the names of fields, and what is wrong with each."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        """Ask once the values are those of the row."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        for field, sentence in self.faults():
            self.add_error(field if field in self.fields else None, sentence)


class PlanForm(RulesMixin):
    """A plan or an add-on; one of the plans is the default."""

    class Meta:
        model = Plan
        fields = ("name", "slug", "description", "auto_renew", "is_default", "is_add_on", "is_active", "position")

    def faults(self) -> Iterator[Fault]:
        """Refuse a second default plan, and one that is not offered."""
        other = Plan.objects.filter(is_default=True).exclude(pk=self.instance.pk).first()
        if self.instance.is_default and other is not None:
            yield "is_default", _("%(plan)s is the default plan. Take the mark from it first.") % {"plan": other}
        yield from faults_of_plan(self.instance)


class PlanPricingForm(RulesMixin):
    """A price; other terms than those that were offered make another price of it."""

    variant = forms.ChoiceField(label=_("variant"), help_text=_("A Stripe variant of the PAYMENT_VARIANTS setting."))

    class Meta:
        model = PlanPricing
        fields = (
            *("variant", "amount", "currency", "interval", "interval_count", "usage_type", "metric"),
            *("trial_days", "is_per_seat", "lookup_key"),
            *("is_active", "is_public", "is_default", "may_be_added"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Not with all the decimals that the column has room for.
            self.initial["amount"] = Decimal(plain_text(self.instance.amount))
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
                data["amount"] = exact_amount(data["amount"], data["currency"], data.get("usage_type", ""))
            except InvalidInput as error:
                self.add_error(error.field or None, error.detail)
        return data

    def faults(self) -> Iterator[Fault]:
        """Refuse what a price of this plan cannot be at once, and another plan's lookup key."""
        price = self.instance
        yield from faults_of_price(price, price.plan, is_sold=price.is_sold)
        if price.lookup_key and price.is_active:
            others = PlanPricing.objects.sold().filter(variant=price.variant, lookup_key=price.lookup_key)
            other = others.exclude(plan=price.plan_id).select_related("plan").first()
            if other is not None:
                yield "lookup_key", _("A price of %(plan)s has this lookup key.") % {"plan": other.plan}


class PlanPricingFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """The prices of a plan, which must agree with each other in each account."""

    def clean(self) -> None:
        """Refuse two default prices, or two with one lookup key."""
        super().clean()
        rows = [form.instance for form in self.forms if form.is_valid() and (form.has_changed() or form.instance.pk)]
        sold = [row for row in rows if row.is_active]
        by_variant = {row.variant: [other for other in sold if other.variant == row.variant] for row in sold}
        sentences = [sentence for prices in by_variant.values() for sentence in faults_between_prices(prices)]
        if sentences:
            raise forms.ValidationError(sentences)


class PlanLimitForm(RulesMixin):
    """How much of something a plan allows."""

    class Meta:
        model = PlanLimit
        fields = ("metric", "limit", "period", "is_per_unit")

    def faults(self) -> Iterator[Fault]:
        """Refuse what a limit cannot be at once."""
        return faults_of_limit(self.instance)


def _default_variant() -> str:
    try:
        return billing_variant()
    except GatewayError:
        # A system check says so.
        return ""
