"""Whose account sells subscriptions."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage

from django_stripe_gateway.checks.messages import error, nearest
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.checks.variants import readable_variants
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.registry import bills_subscriptions


def check_billing_variant(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that the account that sells subscriptions is one of a provider that bills them."""
    if "STRIPE_GATEWAY_BILLING_VARIANT" in wrong_settings():
        return []
    name = gateway_settings.billing_variant
    billing = [variant for variant in readable_variants() if bills_subscriptions(variant)]
    if not name or name in billing:
        return []
    meant = nearest(name, billing)
    hint = f"Did you mean {meant!r}?" if meant else "Name a variant that bills subscriptions, or remove the line."
    return [error("070", "STRIPE_GATEWAY_BILLING_VARIANT names no variant that bills subscriptions.", hint)]
