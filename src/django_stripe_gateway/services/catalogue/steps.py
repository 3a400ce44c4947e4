"""What is to be done at the provider so that it sells what our rows say; nothing is done here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_stripe_gateway.choices import CatalogueOperationKind as Kind
from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot, ProductSnapshot
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.state import (
    ProviderCatalogue,
    event_name_of,
    has_terms,
    is_private,
    is_sold,
)

# What a step does that is no operation of its own: two of them, or a row that is written.
REPLACE_PRICE, LINK_PRICE = "replace_price", "link_price"


@dataclass(frozen=True, slots=True)
class CatalogueStep:
    """One thing to do, or that was done.

    Args:
        kind: that of an operation, ``REPLACE_PRICE`` or ``LINK_PRICE``.
        row: the price that it is about, ``None`` for the product.
        object_id: id at the provider, empty before it is made.
        terms: what a price costs at the provider, where that is not what its row says.
    """

    kind: str
    row: PlanPricing | None = None
    object_id: str = ""
    terms: PriceSnapshot | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, [self.kind.replace("_", " "), str(self.row or ""), self.object_id]))


def steps_for(
    plan: Plan, rows: Sequence[PlanPricing], catalogue: ProviderCatalogue, taken: frozenset[str]
) -> list[CatalogueStep]:
    """Return what is to be done for a plan's prices in one account: prices are made before others are archived.

    Args:
        taken: ids of the prices that rows name.
    """
    product = catalogue.product_of(plan, rows)
    # What a meter counts comes last: where there are no meters, the other prices are sold all the same.
    ordered = sorted(rows, key=lambda row: row.is_metered)
    prices = [step for row in ordered for step in _price_steps(plan, row, catalogue, taken)]
    archived = [step for step in prices if step.kind == Kind.ARCHIVE_PRICE]
    made = [step for step in prices if step.kind != Kind.ARCHIVE_PRICE]
    before, after = _product_steps(plan, rows, product)
    return [*before, *_with_meters(made, catalogue), *archived, *after]


def _with_meters(steps: Sequence[CatalogueStep], catalogue: ProviderCatalogue) -> Iterator[CatalogueStep]:
    """Yield steps, those before them that make the meters which new prices need."""
    known = set(catalogue.meters)
    for step in steps:
        row = step.row
        is_new = step.kind in (Kind.CREATE_PRICE, REPLACE_PRICE)
        if is_new and row is not None and row.is_metered and catalogue.has_metered_prices:
            name = event_name_of(row.metric)
            if name not in known:
                known.add(name)
                yield CatalogueStep(Kind.CREATE_METER, row)
        yield step


def _product_steps(
    plan: Plan, rows: Sequence[PlanPricing], product: ProductSnapshot | None
) -> tuple[list[CatalogueStep], list[CatalogueStep]]:
    is_wanted = any(is_sold(plan, row) for row in rows)
    if product is None:
        return ([CatalogueStep(Kind.CREATE_PRODUCT)] if is_wanted else []), []
    before = []
    is_other = (product.name, product.description) != (plan.name, plan.description)
    if is_other or (is_wanted and not product.is_active):
        before.append(CatalogueStep(Kind.UPDATE_PRODUCT, object_id=product.product_id))
    is_to_archive = product.is_active and not plan.is_active
    after = [CatalogueStep(Kind.ARCHIVE_PRODUCT, object_id=product.product_id)] if is_to_archive else []
    return before, after


def _price_steps(
    plan: Plan, row: PlanPricing, catalogue: ProviderCatalogue, taken: frozenset[str]
) -> Iterator[CatalogueStep]:
    price = catalogue.price_of(plan, row, taken)
    sold = is_sold(plan, row)
    if price is None:
        if sold:
            yield CatalogueStep(Kind.CREATE_PRICE, row)
        return
    if not row.stripe_price_id:
        yield CatalogueStep(LINK_PRICE, row, price.price_id, price)
    if sold and not has_terms(row, price):
        yield CatalogueStep(REPLACE_PRICE, row, price.price_id, price)
        return
    if sold and not price.is_active:
        yield CatalogueStep(Kind.RESTORE_PRICE, row, price.price_id)
    elif price.is_active and not sold and not is_private(row):
        yield CatalogueStep(Kind.ARCHIVE_PRICE, row, price.price_id)
    if sold and not catalogue.has_key_of(row, price):
        yield CatalogueStep(Kind.SET_LOOKUP_KEY, row, price.price_id)
