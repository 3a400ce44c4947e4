"""Bring what a running account holds, in the order in which one thing needs the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from django_stripe_gateway.exceptions import AccountContradicted, GatewayError
from django_stripe_gateway.gateways.account_reading import AccountReader
from django_stripe_gateway.services.accounts import learn_account
from django_stripe_gateway.services.imports.customers import KIND as CUSTOMERS
from django_stripe_gateway.services.imports.customers import import_customers
from django_stripe_gateway.services.imports.given_back import CREDIT_NOTES, DISPUTES, REFUNDS, import_given_back
from django_stripe_gateway.services.imports.owners import Matching, customers_of
from django_stripe_gateway.services.imports.payments import KIND as PAYMENTS
from django_stripe_gateway.services.imports.payments import import_payments
from django_stripe_gateway.services.imports.results import Imported, Outcome
from django_stripe_gateway.services.imports.subscriptions import (
    INVOICES,
    SUBSCRIPTIONS,
    import_invoices,
    import_subscriptions,
)

#: What can be brought, in its order.
KINDS = (CUSTOMERS, SUBSCRIPTIONS, INVOICES, PAYMENTS, REFUNDS, CREDIT_NOTES, DISPUTES)


def import_account(
    reader: AccountReader,
    variant: str,
    *,
    since: datetime,
    kinds: Collection[str] = KINDS,
    matching: Matching | None = None,
    dry_run: bool = False,
) -> Iterator[Imported]:
    """Bring customers, subscriptions, invoices, payments and what was given back, and yield what became of each.

    Nothing is written at the provider, and nothing comes in twice: run it as often as you like.

    Args:
        reader: of the account behind ``variant``.
        since: of invoices, payments and what was given back; customers and subscriptions come all.
        kinds: some of ``KINDS``.
        dry_run: yield what would become of each, and write nothing.

    Raises:
        GatewayError: the provider could not be asked; another run carries on.
    """
    try:
        learn_account(variant, is_kept=not dry_run)
    except AccountContradicted:
        raise
    except GatewayError:
        # Who does not say whose the key is has its rows told apart by their mode alone.
        pass
    would_be: dict[str, int] = {}
    if CUSTOMERS in kinds:
        for result in import_customers(reader, variant, matching or Matching(), dry_run=dry_run):
            if dry_run and result.outcome is Outcome.NEW:
                would_be[result.object_id] = 0
            yield result
    customers = customers_of(variant) | would_be
    if SUBSCRIPTIONS in kinds:
        yield from import_subscriptions(reader, variant, customers, dry_run=dry_run)
    if INVOICES in kinds:
        yield from import_invoices(reader, variant, customers, since, dry_run=dry_run)
    if PAYMENTS in kinds:
        yield from import_payments(reader, variant, customers, since, dry_run=dry_run)
    for kind in (REFUNDS, CREDIT_NOTES, DISPUTES):
        if kind in kinds:
            yield from import_given_back(reader, variant, since, kind, dry_run=dry_run)
