"""How many times a price can be charged."""

from __future__ import annotations

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.transactions import payments_database

MAX_QUANTITY = 999_999


def check_quantity(quantity: int, pricing: PlanPricing | None) -> None:
    """Raise ``InvalidInput`` if a price, where one is known, cannot be sold so many times."""
    if not is_whole(quantity, 1, MAX_QUANTITY):
        raise InvalidInput(f"The quantity is a whole number from 1 to {MAX_QUANTITY}.", field="quantity")
    if quantity != 1 and pricing is not None and pricing.is_metered:
        raise InvalidInput("A meter counts what is charged; there is no quantity.", field="quantity")
    if quantity != 1 and pricing is not None and not pricing.is_per_seat:
        raise InvalidInput("This price is not per seat.", field="quantity")


def is_whole(value: object, least: int, most: int) -> bool:
    """Return whether a value is a whole number from ``least`` to ``most``."""
    # Python takes true for 1.
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def quantity_of(pricing: PlanPricing, quantity: int | None) -> int | None:
    """Return how many times a price is charged, ``None`` where a meter counts.

    Raises:
        InvalidInput: it cannot be charged so many times.
    """
    check_quantity(1 if quantity is None else quantity, pricing)
    return None if pricing.is_metered else quantity or 1


def check_next_quantity(quantity: int, charged: Subscription | SubscriptionItem, variant: str) -> None:
    """Raise ``InvalidInput`` if what is charged now cannot be charged so many times.

    A price that nobody here knows is per seat if it is charged several times already, or if the plan is sold so.
    """
    check_quantity(quantity, charged.pricing)
    if charged.pricing is not None or quantity == 1 or charged.quantity > 1:
        return
    prices = PlanPricing.objects.using(payments_database()).filter(plan=charged.plan_id, variant=variant)
    if charged.plan_id is None or not prices.sold().filter(is_per_seat=True).exists():
        raise InvalidInput("This price is not per seat.", field="quantity")
