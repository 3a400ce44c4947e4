"""Notify the inbox that objects are known here from now on: events about them may have come before.

An event that names an object which nobody knows is kept. Whoever stores the object's id says so with
``handle_arrivals``; the inbox looks for such events once the id is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from django.db import transaction
from django.db.models import Model

from django_stripe_gateway.models import ConnectedAccount, Customer, Invoice, Subscription, get_payment_model
from django_stripe_gateway.services.transactions import payments_database

Receiver = Callable[[Collection[str]], None]
Finder = Callable[[Collection[str]], Iterable[str]]

_receivers: list[Receiver] = []
_finders: list[Finder] = []


def receives_arrivals(receiver: Receiver) -> Receiver:
    """Register a function that is called, after commit, with ids that were stored."""
    _receivers.append(receiver)
    return receiver


def finds_objects(finder: Finder) -> Finder:
    """Register a function that returns those of the given ids that rows of ours hold."""
    _finders.append(finder)
    return finder


def handle_arrivals(*object_ids: str) -> None:
    """Handle the unmatched events about a provider's objects, after the open transaction has stored their ids.

    Nothing that goes wrong with these events reaches the caller: they are kept as failed, and tried again.

    Args:
        object_ids: the provider's ids; empty ones are left out.
    """
    known = tuple(filter(None, object_ids))
    if not known:
        return
    for receiver in _receivers:
        transaction.on_commit(partial(receiver, known), using=payments_database(), robust=True)


def known_objects(object_ids: Collection[str]) -> set[str]:
    """Return those of the provider's ids that rows of ours hold."""
    wanted = {object_id for object_id in object_ids if object_id}
    return {found for finder in _finders for found in finder(wanted)} if wanted else set()


@finds_objects
def find_own_objects(object_ids: Collection[str]) -> Iterable[str]:
    """Return the ids that payments, customers, subscriptions, invoices, pages and sellers hold: a column a subquery."""
    payment = get_payment_model()
    columns: tuple[tuple[type[Model], str], ...] = (
        (payment, "transaction_id"),
        (payment, "intent_id"),
        (Customer, "provider_id"),
        (Subscription, "provider_id"),
        (Subscription, "checkout_id"),
        (Invoice, "provider_id"),
        (Invoice, "intent_id"),
        (ConnectedAccount, "provider_id"),
    )
    first, *others = (
        model._default_manager.using(payments_database())
        .order_by()
        .filter(**{f"{column}__in": object_ids})
        .values_list(column, flat=True)
        for model, column in columns
    )
    return list(first.union(*others).order_by())
