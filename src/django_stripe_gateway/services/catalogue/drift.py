"""Where what we sell and what an account at the provider sells differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_stripe_gateway.choices import PlanInterval
from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.money import CURRENCIES
from django_stripe_gateway.services.catalogue.rows import rows_of, take_terms, taken_prices
from django_stripe_gateway.services.catalogue.state import (
    ProviderCatalogue,
    has_terms,
    is_private,
    is_sold,
    is_standing_in,
    read_catalogue,
)
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.transactions import payments_database


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference.

    Args:
        plan: key of our plan, empty for what only the provider has.
        subject: the price or the product, for people.
        object_id: id at the provider, empty where it has none.
        problem: what differs, for people.
    """

    plan: str
    subject: str
    object_id: str
    problem: str


def find_drift(*, variant: str = "") -> list[Drift]:
    """Return where our rows and the provider differ; nothing is changed.

    Args:
        variant: payment variant, empty for the one that sells subscriptions.

    Raises:
        ProviderError: the provider refused or failed.
    """
    variant = variant or billing_variant()
    catalogue = read_catalogue(variant)
    taken = taken_prices()
    found: list[Drift] = []
    recognised = set(taken)
    for plan in Plan.objects.using(payments_database()).order_by("position", "pk"):
        rows = rows_of(plan, variant)
        found += _product_drift(plan, rows, catalogue)
        for row in rows:
            price = catalogue.price_of(plan, row, taken)
            recognised.add(price.price_id if price else "")
            found += _price_drift(plan, row, price, catalogue)
    strangers = [price for price in catalogue.prices.values() if price.price_id not in recognised]
    return found + [_stranger(price, catalogue) for price in strangers if is_adoptable(price, catalogue)]


def is_adoptable(price: PriceSnapshot, catalogue: ProviderCatalogue) -> bool:
    """Return whether a price could be one of ours: it is on sale, and each unit costs the same."""
    has_known_terms = price.amount is not None and price.currency in CURRENCIES and price.interval in PlanInterval
    return has_known_terms and price.product_id in catalogue.products and catalogue.sells(price)


def _product_drift(plan: Plan, rows: Sequence[PlanPricing], catalogue: ProviderCatalogue) -> Iterator[Drift]:
    product = catalogue.product_of(plan, rows)
    if product is None:
        if any(is_sold(plan, row) for row in rows):
            yield Drift(plan.slug, plan.name, "", "no product at Stripe")
        return
    if product.name != plan.name:
        yield Drift(plan.slug, plan.name, product.product_id, f"called “{product.name}” at Stripe")
    if product.description != plan.description:
        yield Drift(plan.slug, plan.name, product.product_id, "described differently at Stripe")


def _price_drift(
    plan: Plan, row: PlanPricing, price: PriceSnapshot | None, catalogue: ProviderCatalogue
) -> Iterator[Drift]:
    sold = is_sold(plan, row)
    if price is None:
        if sold:
            problem = "missing at Stripe" if row.stripe_price_id else "not made at Stripe yet"
            yield Drift(plan.slug, str(row), row.stripe_price_id or "", problem)
        return
    if not row.stripe_price_id:
        yield Drift(plan.slug, str(row), price.price_id, "made at Stripe, but not written down here")
    if not has_terms(row, price):
        yield Drift(plan.slug, str(row), price.price_id, f"costs {terms_of(price, catalogue)} at Stripe")
    if sold and not catalogue.sells(price):
        yield Drift(plan.slug, str(row), price.price_id, "archived at Stripe")
    if sold and not catalogue.has_key_of(row, price):
        yield Drift(plan.slug, str(row), price.price_id, f"its lookup key at Stripe is {price.lookup_key or 'empty'}")
    if catalogue.sells(price) and not sold and not is_private(row) and not is_standing_in(plan, row):
        yield Drift(plan.slug, str(row), price.price_id, "on sale at Stripe, but not here")


def _stranger(price: PriceSnapshot, catalogue: ProviderCatalogue) -> Drift:
    return Drift("", terms_of(price, catalogue), price.price_id, f"unknown here (product {price.product_id})")


def terms_of(price: PriceSnapshot, catalogue: ProviderCatalogue) -> str:
    """Return what a price at the provider costs, for people."""
    if price.amount is None:
        return "tiers or packages"
    unsaved = PlanPricing()
    take_terms(unsaved, price, catalogue.metric_of(price))
    return str(unsaved)
