"""Whose account sells subscriptions."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage

from django_stripe_gateway.checks.messages import error, nearest
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.checks.variants import is_stripe, readable_variants
from django_stripe_gateway.conf import gateway_settings


def check_billing_variant(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that the account that sells subscriptions is one of Stripe's."""
    if "STRIPE_GATEWAY_BILLING_VARIANT" in wrong_settings():
        return []
    name = gateway_settings.billing_variant
    stripe = [variant for variant, entry in readable_variants().items() if is_stripe(*entry)]
    if not name or name in stripe:
        return []
    meant = nearest(name, stripe)
    hint = f"Did you mean {meant!r}?" if meant else "Name a Stripe variant of PAYMENT_VARIANTS, or remove the line."
    return [error("070", "STRIPE_GATEWAY_BILLING_VARIANT names no Stripe variant of PAYMENT_VARIANTS.", hint)]
