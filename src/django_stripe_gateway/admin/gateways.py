"""Admin of the gateways that customers may pay through."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.registry import is_supported_variant
from django_stripe_gateway.models import PaymentGatewayConfig


class PaymentGatewayConfigForm(forms.ModelForm):  # type: ignore[type-arg]
    """Offers the variants that the settings have and this app can call."""

    variant = forms.ChoiceField(label=_("variant"), help_text=_("A key of the PAYMENT_VARIANTS setting."))

    class Meta:
        model = PaymentGatewayConfig
        fields = ("name", "variant", "description", "is_active", "is_default")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [name for name in gateway_settings.variants if is_supported_variant(name)]
        choices = [(name, name) for name in names]
        stored = self.instance.variant
        if stored and stored not in names:
            # Kept, so that such a gateway can be switched off; ``clean`` refuses it for one that is active.
            choices.append((stored, _("%(variant)s (not in PAYMENT_VARIANTS)") % {"variant": stored}))
        variant = self.fields.get("variant")
        if isinstance(variant, forms.ChoiceField):
            variant.choices = choices

    def clean(self) -> dict[str, Any]:
        """Refuse an active gateway that no payment could be made through."""
        data = super().clean() or {}
        variant = data.get("variant")
        if variant and data.get("is_active") and not is_supported_variant(variant):
            self.add_error("variant", _("PAYMENT_VARIANTS has no such variant. Add it, or deactivate the gateway."))
        return data


@admin.register(PaymentGatewayConfig)
class PaymentGatewayConfigAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Gateways; keys and secrets stay in the settings."""

    form = PaymentGatewayConfigForm
    list_display = ("name", "variant", "is_active", "is_default", "modified")
    list_filter = ("is_active",)
    search_fields = ("name", "variant", "description")
    fields = ("name", "variant", "description", "is_active", "is_default")
