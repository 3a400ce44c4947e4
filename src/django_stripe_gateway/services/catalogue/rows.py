"""The rows of prices: what has been offered at the provider keeps its terms for good."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import PriceUsage
from django_stripe_gateway.exceptions import InvalidAmount
from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.models.plans import PlanPricingQuerySet
from django_stripe_gateway.money import (
    exact_unit_amount,
    format_amount,
    largest_charge,
    quantize_amount,
    to_minor_units,
)
from django_stripe_gateway.services.accounts import columns_of
from django_stripe_gateway.services.operations.verbs import pending_operations
from django_stripe_gateway.services.transactions import payments_database

TERMS = ("amount", "currency", "interval", "interval_count", "usage_type", "metric")
# What can be changed of a price that was offered, and passes on to the one that replaces it.
SETTINGS = ("trial_days", "is_per_seat", "is_default", "is_public", "may_be_added", "lookup_key")


def lock_plan(plan_pk: int) -> Plan:
    """Return the plan, its row locked until the transaction ends."""
    return Plan.objects.using(payments_database()).select_for_update().get(pk=plan_pk)


def price_rows() -> PlanPricingQuerySet:
    """Return all prices, of the database that payments are written to."""
    return PlanPricing.objects.using(payments_database())


def rows_of(plan: Plan, variant: str) -> list[PlanPricing]:
    """Return a plan's prices in the account that a variant stands for now, oldest first."""
    return list(price_rows().of_configured_account().filter(plan=plan, variant=variant).order_by("pk"))


def foreign_rows(variant: str) -> PlanPricingQuerySet:
    """Return the prices that are on sale in accounts, or a mode, for which a variant stood before."""
    own = price_rows().of_configured_account()
    return price_rows().active().filter(variant=variant).exclude(pk__in=own.values("pk"))


def not_offered_here(plan: Plan, variant: str) -> list[PlanPricing]:
    """Return rows, not stored yet, for the prices of other accounts that the present one has not.

    The others stay as they are: they are sold again once their account is the configured one.
    """
    every = [*TERMS, *SETTINGS]
    there = rows_of(plan, variant)
    known = {tuple(getattr(row, name) for name in TERMS) for row in there}
    has_default = {row.currency for row in there if row.is_default}
    made: list[PlanPricing] = []
    for row in foreign_rows(variant).filter(plan=plan).order_by("-pk"):
        terms = tuple(getattr(row, name) for name in TERMS)
        if terms in known:
            continue
        known.add(terms)
        copied = PlanPricing(plan=plan, variant=variant, **{name: getattr(row, name) for name in every})
        copied.is_default = row.is_default and row.currency not in has_default
        has_default |= {row.currency} if copied.is_default else set()
        made.append(copied)
    return made[::-1]


def has_metered_rows(variant: str) -> bool:
    """Return whether a price of a variant is metered."""
    return price_rows().filter(variant=variant, usage_type=PriceUsage.METERED).exists()


def taken_prices() -> frozenset[str]:
    """Return the ids of the provider's prices that rows name."""
    ids = price_rows().exclude(stripe_price_id=None).values_list("stripe_price_id", flat=True)
    return frozenset(filter(None, ids))


def exact_amount(amount: Decimal, currency: str, usage_type: str = PriceUsage.LICENSED) -> Decimal:
    """Return an amount that the provider can charge in a currency; that of a measured use may be finer.

    Raises:
        InvalidAmount: it is negative, more than can be charged at once, or too fine.
        UnsupportedCurrency: Stripe does not charge in the currency.
    """
    exact = _exact_amount(amount, currency, usage_type)
    most = largest_charge(currency)
    if exact > most:
        sentence = f"A price in {currency.upper()} is {format_amount(most, currency)} at most."
        raise InvalidAmount(sentence, field="amount")
    return exact


def _exact_amount(amount: Decimal, currency: str, usage_type: str) -> Decimal:
    if usage_type == PriceUsage.METERED:
        return exact_unit_amount(amount, currency)
    to_minor_units(amount, currency)
    return quantize_amount(amount, currency)


def is_offered(row: PlanPricing) -> bool:
    """Return whether the provider has a row's price, or may have: then its terms stay."""
    return bool(row.stripe_price_id) or pending_operations(CatalogueOperation).filter(pricing=row).exists()


def succeed_row(row: PlanPricing, terms: Mapping[str, Any]) -> PlanPricing:
    """Replace a row by one with other terms, and return that; the caller holds the plan's lock.

    Subscriptions that have the old price keep it, and so does its row, at which is sold until the provider has the
    other price.
    """
    kept = ("plan_id", "variant", "livemode", "account_id", "is_active", "stripe_product_id", *TERMS, *SETTINGS)
    successor = PlanPricing(**{name: getattr(row, name) for name in kept} | dict(terms))
    successor.save(using=payments_database())
    if row.stripe_price_id:
        price_rows().filter(pk=row.pk).update(is_active=False, replaced_by=successor)
        row.is_active, row.replaced_by = False, successor
    else:
        # Nobody could be charged it: what it was to replace waits for the one that comes now.
        price_rows().filter(replaced_by=row).update(replaced_by=successor)
        price_rows().filter(pk=row.pk).update(is_active=False, is_default=False)
        row.is_active = row.is_default = False
    return successor


def retire_replaced(row: PlanPricing) -> None:
    """Sell no more at what a row has replaced: the provider has its price now."""
    price_rows().filter(replaced_by=row).update(replaced_by=None, is_default=False)


def store_edited_row(edited: PlanPricing, fields: Collection[str]) -> PlanPricing:
    """Write ``fields`` of a row that was edited, or its successor with other terms; return what is sold now.

    The caller holds the lock of its plan, and pushes it when its transaction is committed.
    """
    if edited._state.adding:
        edited.save(using=payments_database())
        return edited
    stored = price_rows().get(pk=edited.pk)
    has_new_terms = any(getattr(stored, name) != getattr(edited, name) for name in TERMS)
    if has_new_terms and is_offered(stored):
        successor = succeed_row(stored, {name: getattr(edited, name) for name in fields})
        edited.is_active = edited.is_default = False
        return successor
    if edited.is_active:
        edited.replaced_by = None
    edited.save(using=payments_database(), update_fields=[*fields, "replaced_by", "modified"])
    return edited


def take_terms(row: PlanPricing, price: PriceSnapshot, metric: str = "") -> None:
    """Write what a price costs at the provider, where that can be written; the caller saves."""
    if price.amount is not None:
        row.amount, row.currency = price.amount, price.currency
        row.interval, row.interval_count = price.interval, price.interval_count
        row.usage_type = price.usage_type
        if row.meter_id != price.meter_id or not row.is_metered:
            # Another meter counts something else.
            row.metric, row.meter_id = metric, price.meter_id


def take_account(row: PlanPricing) -> None:
    """Write that a row's price is in the account that its variant stands for now; the caller saves."""
    for name, value in columns_of(row.variant).items():
        setattr(row, name, value)
