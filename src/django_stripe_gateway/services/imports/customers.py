"""Give the account's customers rows of their owners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from django.db import IntegrityError

from django_stripe_gateway.gateways.account_reading import AccountReader, Unreadable
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.accounts import columns_of
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.imports.owners import Match, Matching, match_owners, owner_model
from django_stripe_gateway.services.imports.reading import attempt, dated
from django_stripe_gateway.services.imports.results import Imported, Outcome
from django_stripe_gateway.services.subscriptions.customers import CREATE_CUSTOMER
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

KIND = "customers"


def import_customers(
    reader: AccountReader, variant: str, matching: Matching, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Bring the customers whose owners are certain, and yield what became of each.

    All are read first: whether an e-mail address is unique only the whole account says.
    """
    found: dict[str, tuple[datetime, CustomerSnapshot]] = {}
    unreadable: list[Unreadable] = []
    for began, item in dated(reader.customers()):
        if isinstance(item, Unreadable):
            unreadable.append(item)
            yield Imported(KIND, item.object_id, Outcome.FAILED, item.reason)
        elif not item.is_deleted:
            found[item.customer_id] = (began, item)
    for customer_id in matching.decided.keys() - found.keys() - {item.object_id for item in unreadable}:
        yield Imported(KIND, customer_id, Outcome.UNMATCHED, f"{matching.decided_by} names it; the account has no such")
    customers = [customer for _began, customer in found.values()]
    for match in match_owners(customers, variant, matching, further_emails=[item.email for item in unreadable]):
        customer_id = match.customer.customer_id
        if match.outcome is not Outcome.NEW:
            yield Imported(KIND, customer_id, match.outcome, match.reason)
        elif dry_run:
            yield Imported(KIND, customer_id, Outcome.NEW, _how(match))
        else:
            began, customer = found[customer_id]
            livemode = _livemode(customer, reader)
            yield attempt(KIND, customer_id, partial(link_customer, match, variant, began, livemode=livemode))


def link_customer(match: Match, variant: str, began: datetime, *, livemode: bool) -> tuple[Outcome, str]:
    """Let the row of an owner stand for a customer, and return what became of it, and why.

    Args:
        began: when the provider was asked for the customer.
    """
    try:
        return _link(match, variant, began, livemode)
    except IntegrityError:
        if not owner_model()._base_manager.filter(pk=match.owner_pk).exists():
            return Outcome.UNMATCHED, f"its owner {match.owner_pk} was deleted meanwhile"
        # Somebody was faster: a request of the owner's, or another import.
        return _link(match, variant, began, livemode)


@retry_on_deadlock
def _link(match: Match, variant: str, began: datetime, livemode: bool) -> tuple[Outcome, str]:
    customer_id = match.customer.customer_id
    with money_transaction():
        rows = Customer.objects.using(payments_database()).filter(variant=variant).of_configured_account()
        if rows.filter(provider_id=customer_id).exists():
            return Outcome.KNOWN, ""
        row: Customer | None = rows.select_for_update().filter(owner_id=match.owner_pk).first()
        if row is None:
            row = Customer(variant=variant, **columns_of(variant))
            row.owner_id = match.owner_pk
        elif row.exists_at_provider:
            return Outcome.AMBIGUOUS, f"its owner {match.owner_pk} has the customer {row.provider_id}"
        elif _is_being_made(row):
            return Outcome.AMBIGUOUS, f"a customer is being made for its owner {match.owner_pk}; run it again"
        elif row.provider_id:
            row.former_ids = [*row.former_ids, row.provider_id]
        row.provider_id, row.deleted, row.livemode = customer_id, None, livemode
        if judge(row, look=Look(None, began, match.customer)) is Verdict.WRITE:
            row.default_payment_method = match.customer.default_payment_method
        row.save(using=payments_database())
        handle_arrivals(customer_id)
    return Outcome.NEW, _how(match)


def _how(match: Match) -> str:
    return f"owner {match.owner_pk}, by {match.how}"


def _is_being_made(row: Customer) -> bool:
    found: bool = CREATE_CUSTOMER.operations().pending().filter(customer=row).exists()
    return found


def _livemode(customer: CustomerSnapshot, reader: AccountReader) -> bool:
    return reader.livemode if customer.livemode is None else customer.livemode
