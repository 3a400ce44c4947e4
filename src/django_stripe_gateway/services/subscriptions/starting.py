"""What must hold before a subscription is started, and what the host adds to the call that starts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import GatewayConfigurationError, InvalidInput, UnsupportedByGateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Plan, PlanPricing
from django_stripe_gateway.services.further_params import FurtherParams
from django_stripe_gateway.services.operations.verbs import Verb
from django_stripe_gateway.services.subscriptions.line import ask_host_for
from django_stripe_gateway.services.subscriptions.prices import check_sold_alone
from django_stripe_gateway.services.subscriptions.quantities import check_quantity

MODES = ("direct", "checkout")
RESERVED_METADATA = frozenset({"subscription", "token"})


def gateway_that_starts(
    plan: Plan, pricing: PlanPricing, quantity: int, mode: str, promotion_code: str
) -> BillingGateway:
    """Return the gateway of a price.

    Raises:
        InvalidInput: the price is not for sale, or not in this way.
        GatewayConfigurationError: the provider does not know it yet.
        UnsupportedByGateway: the provider cannot start it so.
    """
    if mode not in MODES:
        raise InvalidInput(f"The mode is one of {', '.join(MODES)}.", field="mode")
    if pricing.plan_id != plan.pk:
        raise InvalidInput("This plan has no such price.", code="unknown_pricing", field="pricing_id")
    if not plan.is_active or not pricing.is_sold:
        raise InvalidInput("This plan is not for sale.", code="not_for_sale", field="plan_id")
    if plan.is_add_on:
        raise InvalidInput("An add-on is sold beside a plan.", code="not_for_sale", field="plan_id")
    check_sold_alone(pricing)
    check_quantity(quantity, pricing)
    if not pricing.stripe_price_id:
        raise GatewayConfigurationError(
            f"The price {pricing.pk} of the plan {plan.slug!r} is not known to the provider. "
            "Run manage.py sync_plans --push."
        )
    gateway = get_billing_gateway(pricing.variant)
    if mode == "checkout" and not gateway.supports_checkout:
        raise UnsupportedByGateway('This gateway has no page that starts subscriptions. Use the mode "direct".')
    if promotion_code and not gateway.supports_promotion_codes:
        raise UnsupportedByGateway("This gateway knows no promotion codes.")
    return gateway


def ask_host_to_subscribe(
    verb: Verb[Any, Any, Any], customer: Customer, pricing: PlanPricing, metadata: Mapping[str, str]
) -> FurtherParams:
    """Return what the host adds to the call that subscribes, or that makes the page for it."""
    kind = CallKind.SUBSCRIPTION_PAGE if verb.kind == BillingOperationKind.CHECKOUT else CallKind.SUBSCRIPTION
    own = {*metadata, *RESERVED_METADATA}
    return ask_host_for(kind, customer, own_metadata=own, plan=pricing.plan, pricing=pricing)
