"""What can be done with plans and prices at the provider."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.leases import end_lease, lease_plan, lock_plan
from django_stripe_gateway.services.catalogue.push import PlanPush
from django_stripe_gateway.services.catalogue.rows import (
    exact_amount,
    is_offered,
    price_rows,
    succeed_row,
)
from django_stripe_gateway.services.catalogue.steps import CatalogueStep
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock


def push_plan(*, plan: Plan, variant: str = "") -> list[CatalogueStep]:
    """Bring a plan's product and prices at the provider to what our rows say, and return what was done.

    Killed at any point, or run by several processes, it ends in one product, and one price for each row: what a row
    does not name is looked for by its metadata before it is made.

    Args:
        variant: payment variant, empty for the one that sells subscriptions.

    Raises:
        OperationInProgress: another process is at it.
        ProviderError: the provider refused or failed; a repeat carries on.
    """
    variant = variant or billing_variant()
    push = PlanPush(lease_plan(plan.pk), variant)
    try:
        done = push.run()
    except BaseException as error:
        end_lease(push.lease, error)
        raise
    end_lease(push.lease, None)
    return done


def push_pricing(*, pricing: PlanPricing) -> list[CatalogueStep]:
    """Bring a price and its plan's other prices in its account to what our rows say; see ``push_plan``."""
    return push_plan(plan=pricing.plan, variant=pricing.variant)


def archive_pricing(*, pricing: PlanPricing) -> list[CatalogueStep]:
    """Sell at a price no more, here and at the provider; subscriptions that have it keep it.

    Raises:
        GatewayError: see ``push_plan``; here it is not sold any more all the same.
    """
    _stop_selling(pricing)
    pricing.is_active = False
    return push_pricing(pricing=pricing)


def replace_pricing(*, pricing: PlanPricing, amount: Decimal) -> PlanPricing:
    """Sell at another amount: a new price is made and the old one archived. Subscriptions that have it keep it.

    Args:
        amount: in the units of the price's currency.

    Returns:
        The row that is sold now.

    Raises:
        InvalidAmount: the amount is negative, too large, or finer than the currency.
        GatewayError: see ``push_plan``; the rows are changed all the same.
    """
    row = _replace(pricing, exact_amount(amount, pricing.currency))
    push_pricing(pricing=row)
    return price_rows().get(pk=row.pk)


@retry_on_deadlock
def _stop_selling(pricing: PlanPricing) -> None:
    with money_transaction():
        lock_plan(pricing.plan_id)
        price_rows().filter(pk=pricing.pk).update(is_active=False)


@retry_on_deadlock
def _replace(pricing: PlanPricing, amount: Decimal) -> PlanPricing:
    with money_transaction():
        plan = lock_plan(pricing.plan_id)
        row = price_rows().select_related("plan").get(pk=pricing.pk)
        if row.amount == amount:
            return row
        if is_offered(plan, row):
            return succeed_row(row, {"amount": amount})
        row.amount = amount
        row.save(using=payments_database(), update_fields=["amount", "modified"])
        return row
