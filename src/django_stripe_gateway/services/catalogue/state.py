"""What an account at the provider sells, and which of it is ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django_stripe_gateway.gateways.billing_values import PriceSnapshot, ProductSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Plan, PlanPricing


@dataclass(frozen=True, slots=True)
class ProviderCatalogue:
    """The products and recurring prices of an account, the archived ones too, by their ids."""

    products: Mapping[str, ProductSnapshot]
    prices: Mapping[str, PriceSnapshot]

    def sells(self, price: PriceSnapshot) -> bool:
        """Return whether customers can subscribe at a price: neither it nor its product is archived."""
        product = self.products.get(price.product_id)
        return price.is_active and (product is None or product.is_active)

    def product_of(self, plan: Plan, rows: Iterable[PlanPricing]) -> ProductSnapshot | None:
        """Return a plan's product: the one its rows name, else one that a push has made and not written down."""
        for row in sorted(rows, key=lambda row: row.is_active, reverse=True):
            if row.stripe_product_id in self.products:
                return self.products[row.stripe_product_id]
        made = [product for product in self.products.values() if product.metadata.get("plan") == plan.slug]
        return next((product for product in made if product.is_active), made[0] if made else None)

    def price_of(self, plan: Plan, row: PlanPricing, taken: Collection[str]) -> PriceSnapshot | None:
        """Return a row's price: the one it names, else one that a push has made and not written down.

        Args:
            taken: ids of prices that rows name.
        """
        if row.stripe_price_id:
            return self.prices.get(row.stripe_price_id)
        return self.price_made_for(plan, row, taken)

    def price_made_for(self, plan: Plan, row: PlanPricing, taken: Collection[str]) -> PriceSnapshot | None:
        """Return the price that a push has made for a row and not written down."""
        wanted = price_metadata(plan, row)
        for price in self.prices.values():
            is_made_for_it = all(price.metadata.get(name) == value for name, value in wanted.items())
            if is_made_for_it and price.price_id not in taken and has_terms(row, price):
                return price
        return None


def read_catalogue(variant: str) -> ProviderCatalogue:
    """Ask the provider what an account sells.

    Raises:
        ProviderError: the provider refused or failed.
    """
    gateway = get_billing_gateway(variant)
    return ProviderCatalogue(
        products={product.product_id: product for product in gateway.list_products()},
        prices={price.price_id: price for price in gateway.list_prices()},
    )


def has_terms(row: PlanPricing, price: PriceSnapshot) -> bool:
    """Return whether a price at the provider costs what a row says."""
    return (price.amount, price.currency, price.interval, price.interval_count) == (
        row.amount,
        row.currency.upper(),
        row.interval,
        row.interval_count,
    )


def price_metadata(plan: Plan, row: PlanPricing) -> dict[str, str]:
    """Return by what a price at the provider is known as a row's."""
    return {"plan": plan.slug, "pricing": str(row.pk)}


def is_sold(plan: Plan, row: PlanPricing) -> bool:
    """Return whether customers should be able to subscribe at a price."""
    return plan.is_active and row.is_active
