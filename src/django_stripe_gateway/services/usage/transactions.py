"""The transactions in which use is counted: short, and part of the caller's own where there is one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connections, models, router, transaction
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery

from django_stripe_gateway.exceptions import OperationInProgress
from django_stripe_gateway.models import UsageCounter
from django_stripe_gateway.services.transactions import is_deadlock

S = TypeVar("S")
T = TypeVar("T")

MAX_TRIES = 8


class Collision(Exception):
    """Another process made the row that this one was about to make: read again."""


def usage_database() -> str:
    """Return the alias of the database that use is counted in; read from it, too, because a replica is late."""
    return router.db_for_write(UsageCounter)


def run_counted(read: Callable[[], S], change: Callable[[S, bool], T]) -> T:
    """Read, then change in a transaction; do both again when the change lost a race.

    Inside of the caller's transaction it becomes part of that one, without a savepoint.

    Args:
        read: returns what the change goes by.
        change: takes that, and whether the transaction is the caller's. It returns what went wrong instead of raising
            it, so that the caller's transaction stays usable.

    Raises:
        OperationInProgress: others kept coming first.
    """
    was_nested = connections[usage_database()].in_atomic_block
    for attempt in range(1, MAX_TRIES + 1):
        found = read()
        try:
            with transaction.atomic(using=usage_database(), savepoint=False):
                return change(found, was_nested)
        except Collision:
            if was_nested:
                break
        except OperationalError as error:
            if was_nested or attempt == MAX_TRIES or not is_deadlock(error):
                raise
            # Without jitter the same two would meet again.
            time.sleep(random.uniform(0.005, 0.05) * attempt)  # noqa: S311
    raise OperationInProgress("Too many others count at this moment. Try again.", retry_after=1)


def insert_if_absent(row: models.Model) -> bool:
    """Insert ``row`` unless one like it is there, in one statement that fails no transaction; return whether it was.

    ``bulk_create(ignore_conflicts=True)`` does the same and does not say which it was.
    """
    model = type(row)
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    query = InsertQuery(model, on_conflict=OnConflict.IGNORE)
    query.insert_values(fields, [row])
    using = usage_database()
    with connections[using].cursor() as cursor:
        for statement, params in query.get_compiler(using=using).as_sql():
            cursor.execute(statement, params)
        is_inserted = bool(cursor.rowcount == 1)
    row._state.adding = not is_inserted
    return is_inserted
