"""What can be charged beside a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.prices import check_currency
from django_stripe_gateway.services.subscriptions.quantities import quantity_of
from django_stripe_gateway.services.transactions import payments_database


def check_add_on(pricing: PlanPricing, plan_pk: int | None, variant: str, currencies: Sequence[str]) -> None:
    """Raise ``InvalidInput`` unless a price can be charged beside this plan of this account, in one of some currencies.

    Whether its interval goes with the plan's is for the provider to say: in Stripe's flexible billing mode it does.
    """
    if not (pricing.plan.is_add_on or (pricing.is_metered and pricing.plan_id == plan_pk)):
        sentence = "This is the price of a plan. Beside it go the prices of add-ons, and what the plan charges by use."
        raise InvalidInput(sentence, code="not_an_add_on", field="pricing_id")
    if not pricing.is_sold or not pricing.plan.is_active:
        raise InvalidInput("This add-on is not for sale.", code="not_for_sale", field="pricing_id")
    if pricing.variant != variant or not pricing.stripe_price_id:
        raise InvalidInput("This add-on is sold by another variant.", code="unknown_pricing", field="pricing_id")
    if currencies:
        check_currency(pricing, currencies)


def add_on_params(
    gateway: BillingGateway, pricing: PlanPricing, add_ons: Sequence[tuple[PlanPricing, int]]
) -> list[dict[str, Any]]:
    """Return what is charged beside the plan of a new subscription, as its operation keeps it.

    Raises:
        InvalidInput: it cannot be charged beside the plan, or not so many times.
        UnsupportedByGateway: this provider charges one price only.
    """
    if add_ons and not gateway.supports_items:
        raise UnsupportedByGateway("This gateway charges one price in a subscription. Leave the add-ons out.")
    prices = {pricing.pk, *(added.pk for added, _quantity in add_ons)}
    if len(prices) <= len(add_ons):
        raise InvalidInput("A price stands in a subscription once.", field="add_ons")
    charged = [added.plan_id for added, _quantity in add_ons if not added.is_metered]
    if len(set(charged)) < len(charged):
        raise InvalidInput("An add-on stands in a subscription once, at one price.", field="add_ons")
    for added, _quantity in add_ons:
        check_add_on(added, pricing.plan_id, pricing.variant, [pricing.currency])
    return [
        {"price_id": added.stripe_price_id, "quantity": quantity_of(added, quantity)} for added, quantity in add_ons
    ]


def has_add_ons(subscription: Subscription, add_ons: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a subscription is charged this beside its plan, and nothing else."""
    items = subscription.items.using(payments_database()).exclude(provider_id=subscription.item_id)
    charged = set(items.values_list("price_id", "quantity"))
    return charged == {(added["price_id"], added["quantity"] or 1) for added in add_ons}
