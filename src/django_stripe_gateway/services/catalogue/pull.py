"""Take over what an account at the provider sells, what was made in its Dashboard included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count

from django.db import IntegrityError
from django.utils import timezone
from django.utils.text import slugify

from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot, ProductSnapshot
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.drift import is_adoptable
from django_stripe_gateway.services.catalogue.line import last_operation
from django_stripe_gateway.services.catalogue.rows import lock_plan, rows_of, take_account, take_terms, taken_prices
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue, has_terms, read_catalogue
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.subscriptions.identify import identify_items
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

NAME_LENGTH = 128
SLUG_LENGTH = 64
# Room for a number that tells two plans of one name apart.
SLUG_ROOT_LENGTH = 58


@dataclass(slots=True)
class PulledPlan:
    """A plan as the provider has it, and what was changed for that, for people."""

    plan: Plan
    rows: list[PlanPricing] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def save(self) -> None:
        """Write the rows; the caller holds the plan's lock."""
        if not self.changes:
            return
        self.plan.save(using=payments_database())
        for row in self.rows:
            row.plan = self.plan
            row.save(using=payments_database())


def pull_catalogue(*, variant: str = "", dry_run: bool = False) -> list[PulledPlan]:
    """Bring our rows to what the provider sells, and return the plans that this changed; nothing is changed there.

    Plans are renamed, prices that are archived or gone are not sold any more, and products that we do not know become
    plans. What the provider has not got yet stays as it is. A price that comes along is for whom it was made, and is
    not offered to everybody until somebody says so here. Subscriptions that have it find their plan.

    Args:
        variant: payment variant, empty for the one that sells subscriptions.
        dry_run: only say what would be changed.

    Raises:
        ProviderError: the provider refused or failed.
    """
    variant = variant or billing_variant()
    began, catalogue = timezone.now(), read_catalogue(variant)
    plans = list(Plan.objects.using(payments_database()).order_by("position", "pk"))
    pulled = [_pull_plan(plan.pk, variant, catalogue, began, dry_run) for plan in plans]
    ours = {product_id for plan in plans for product_id in _products_of(plan, rows_of(plan, variant), catalogue)}
    for product in sorted(catalogue.products.values(), key=lambda product: product.name):
        if product.product_id not in ours:
            pulled.append(_adopt(product, variant, catalogue, dry_run))
    if not dry_run:
        identify_items(variant)
    return [plan for plan in pulled if plan.changes]


@retry_on_deadlock
def _pull_plan(plan_pk: int, variant: str, catalogue: ProviderCatalogue, began: datetime, dry_run: bool) -> PulledPlan:
    if dry_run:
        return _pulled(Plan.objects.using(payments_database()).get(pk=plan_pk), variant, catalogue)
    with money_transaction():
        plan = lock_plan(plan_pk)
        newest = last_operation(plan_pk, variant)
        if newest is not None and (newest.is_leased(timezone.now()) or newest.modified >= began):
            return PulledPlan(plan, changes=["left alone: another process is telling Stripe about it"])
        pulled = _pulled(plan, variant, catalogue)
        pulled.save()
        return pulled


def _pulled(plan: Plan, variant: str, catalogue: ProviderCatalogue) -> PulledPlan:
    pulled = PulledPlan(plan, rows_of(plan, variant))
    product = catalogue.product_of(plan, pulled.rows)
    if product is not None:
        _take_product(pulled, product)
    taken = set(taken_prices())
    for row in pulled.rows:
        price = catalogue.price_of(plan, row, taken)
        taken.add(price.price_id if price else "")
        _take_price(pulled, row, price, catalogue)
    products = _products_of(plan, pulled.rows, catalogue)
    strangers = [price for price in catalogue.prices.values() if price.product_id in products]
    _add_rows(pulled, variant, [price for price in strangers if price.price_id not in taken], catalogue)
    if not plan.is_active and any(row.is_active and row.is_public for row in pulled.rows):
        plan.is_active = True
        pulled.changes.append("plan activated: it is on sale at Stripe")
    return pulled


def _take_product(pulled: PulledPlan, product: ProductSnapshot) -> None:
    plan = pulled.plan
    name = product.name[:NAME_LENGTH]
    if name and plan.name != name:
        pulled.changes.append(f"renamed from “{plan.name}” to “{name}”")
        plan.name = name
    if plan.description != product.description:
        pulled.changes.append("description updated")
        plan.description = product.description


def _take_price(
    pulled: PulledPlan, row: PlanPricing, price: PriceSnapshot | None, catalogue: ProviderCatalogue
) -> None:
    before = str(row)
    if price is None:
        if row.stripe_price_id and row.is_active:
            row.is_active = False
            pulled.changes.append(f"price {before} deactivated: it is missing at Stripe")
        return
    if not row.stripe_price_id:
        row.stripe_price_id, row.stripe_product_id = price.price_id, price.product_id
        row.meter_id = price.meter_id
        take_account(row)
        pulled.changes.append(f"price {before} linked to {price.price_id}")
    elif not row.stripe_product_id and price.product_id:
        # By its product the price of one customer finds the plan.
        row.stripe_product_id = price.product_id
        pulled.changes.append(f"price {before} linked to {price.product_id}")
    if not has_terms(row, price) and price.amount is not None:
        take_terms(row, price, catalogue.metric_of(price))
        pulled.changes.append(f"price {before} costs {row}")
    if not catalogue.has_key_of(row, price):
        row.lookup_key = price.lookup_key
        pulled.changes.append(f"price {row} has the lookup key {row.lookup_key or '(none)'}")
    is_active = catalogue.sells(price) and price.amount is not None
    if row.is_active == is_active or (is_active and row.is_standing_in):
        return
    row.is_active = is_active
    if is_active:
        # Who took it out of sale here has to say that everybody may have it again.
        row.is_public = row.is_default = False
        pulled.changes.append(f"price {row} activated, not public")
    else:
        pulled.changes.append(f"price {row} deactivated")


def _add_rows(pulled: PulledPlan, variant: str, prices: Iterable[PriceSnapshot], catalogue: ProviderCatalogue) -> None:
    for price in prices:
        if not is_adoptable(price, catalogue):
            continue
        row = PlanPricing(
            variant=variant,
            stripe_price_id=price.price_id,
            stripe_product_id=price.product_id,
            lookup_key=price.lookup_key,
            is_public=False,
        )
        take_account(row)
        take_terms(row, price, catalogue.metric_of(price))
        pulled.rows.append(row)
        pulled.changes.append(f"price {row} added, not public ({price.price_id})")


def _products_of(plan: Plan, rows: Iterable[PlanPricing], catalogue: ProviderCatalogue) -> set[str]:
    rows = list(rows)
    product = catalogue.product_of(plan, rows)
    return {row.stripe_product_id for row in rows if row.stripe_product_id} | (
        {product.product_id} if product is not None else set()
    )


def _adopt(product: ProductSnapshot, variant: str, catalogue: ProviderCatalogue, dry_run: bool) -> PulledPlan:
    """Make a plan of a product with prices that are on sale."""
    try:
        return _adopt_once(product, variant, catalogue, dry_run)
    except IntegrityError:
        # Another process has just adopted it, or taken the key.
        return _adopt_once(product, variant, catalogue, dry_run)


@retry_on_deadlock
def _adopt_once(product: ProductSnapshot, variant: str, catalogue: ProviderCatalogue, dry_run: bool) -> PulledPlan:
    taken = taken_prices()
    prices = [price for price in catalogue.prices.values() if price.product_id == product.product_id]
    plan = Plan(slug=_free_slug(product), name=product.name[:NAME_LENGTH], description=product.description)
    pulled = PulledPlan(plan)
    _add_rows(pulled, variant, [price for price in prices if price.price_id not in taken], catalogue)
    if not pulled.rows:
        return PulledPlan(plan)
    pulled.changes.insert(0, f"plan made of {product.product_id}")
    if not dry_run:
        with money_transaction():
            pulled.save()
    return pulled


def _free_slug(product: ProductSnapshot) -> str:
    wanted = product.metadata.get("plan", "")
    is_slug = len(wanted) <= SLUG_LENGTH and re.fullmatch(r"[-\w]+", wanted, re.ASCII)
    root = wanted if is_slug else slugify(product.name)[:SLUG_ROOT_LENGTH].strip("-") or "plan"
    used = set(Plan.objects.using(payments_database()).values_list("slug", flat=True))
    numbered = (f"{root[:SLUG_ROOT_LENGTH]}-{number}" for number in count(2))
    return next(slug for slug in chain([root], numbered) if slug not in used)
