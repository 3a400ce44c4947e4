"""What an account at the provider sells, and which of it is ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot, ProductSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway, get_meters
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.accounts import made_in
from django_stripe_gateway.services.catalogue.rows import has_metered_rows

METRIC_LENGTH = 64


@dataclass(frozen=True, slots=True)
class ProviderCatalogue:
    """The products and recurring prices of an account, the archived ones too, by their ids.

    Args:
        meters: ids of the active meters by the names of their events; read only where a price is metered.
        has_lookup_keys: prices have other names at this provider.
        has_metered_prices: prices can be multiplied by what a meter has counted.
    """

    products: Mapping[str, ProductSnapshot]
    prices: Mapping[str, PriceSnapshot]
    meters: Mapping[str, str] = field(default_factory=dict)
    has_lookup_keys: bool = False
    has_metered_prices: bool = False

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

    def metric_of(self, price: PriceSnapshot) -> str:
        """Return what a price counts, as this site calls it; empty where no active meter says."""
        names = {event_name: metric for metric, event_name in gateway_settings.usage_meters.items()}
        events = (event_name for event_name, meter_id in self.meters.items() if meter_id == price.meter_id)
        name = next((names.get(event_name, event_name) for event_name in events), "")
        return name if len(name) <= METRIC_LENGTH else ""

    def has_key_of(self, row: PlanPricing, price: PriceSnapshot) -> bool:
        """Return whether a price has the lookup key that its row says, where the provider has such keys."""
        return not self.has_lookup_keys or price.lookup_key == row.lookup_key

    def may_take_key(self, plan: Plan, row: PlanPricing, taken: Collection[str]) -> bool:
        """Return whether a row's lookup key may be taken from the price that has it: only from one of ours."""
        holders = [price for price in self.prices.values() if row.lookup_key and price.lookup_key == row.lookup_key]
        return all(price.price_id in taken or price.metadata.get("plan") == plan.slug for price in holders)


def read_catalogue(variant: str, *, with_meters: bool = False) -> ProviderCatalogue:
    """Ask the provider what an account sells.

    Args:
        with_meters: ask for the meters too, though neither a row's price nor one at the provider is metered.

    Raises:
        ProviderError: the provider refused or failed.
    """
    made_in(variant)
    gateway = get_billing_gateway(variant)
    products = {product.product_id: product for product in gateway.list_products()}
    prices = {price.price_id: price for price in gateway.list_prices()}
    meters: dict[str, str] = {}
    with_meters = with_meters or any(price.meter_id for price in prices.values()) or has_metered_rows(variant)
    if gateway.supports_metered_prices and with_meters:
        meters = {name: meter.meter_id for name, meter in get_meters(variant).list_meters().items()}
    return ProviderCatalogue(products, prices, meters, gateway.supports_lookup_keys, gateway.supports_metered_prices)


def has_terms(row: PlanPricing, price: PriceSnapshot) -> bool:
    """Return whether a price at the provider costs what a row says, by quantity or by use."""
    # A row learns which meter counts for it when its price is made.
    is_counted_alike = not row.meter_id or not row.is_metered or row.meter_id == price.meter_id
    return is_counted_alike and (
        (price.amount, price.currency, price.interval, price.interval_count, price.usage_type)
        == (row.amount, row.currency.upper(), row.interval, row.interval_count, row.usage_type)
    )


def event_name_of(metric: str) -> str:
    """Return the name under which what is used of a metric is reported to the provider."""
    return gateway_settings.usage_meters.get(metric, metric)


def price_metadata(plan: Plan, row: PlanPricing) -> dict[str, str]:
    """Return by what a price at the provider is known as a row's."""
    return {"plan": plan.slug, "pricing": str(row.pk)}


def is_sold(plan: Plan, row: PlanPricing) -> bool:
    """Return whether customers should be able to subscribe at a price."""
    return plan.is_active and row.is_active


def is_standing_in(plan: Plan, row: PlanPricing) -> bool:
    """Return whether customers subscribe at a price only until the provider has the one that takes its place."""
    return plan.is_active and row.is_standing_in


def is_private(row: PlanPricing) -> bool:
    """Return whether a price is for whom it was made: neither sold to everybody nor taken out of sale."""
    return row.is_active and not row.is_public
