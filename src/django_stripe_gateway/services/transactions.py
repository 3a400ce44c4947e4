"""Short transactions: lock a payment, change it, commit; never around a call to a provider."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connections, router, transaction

from django_stripe_gateway.models import AbstractPayment, get_payment_model

P = ParamSpec("P")
T = TypeVar("T")

MAX_TRIES = 5
# Two transactions that wait for each other are an accident of timing, and the database undoes one of them whole:
# SQLSTATE of PostgreSQL (serialization failure, deadlock), error numbers of MariaDB and MySQL (lock wait, deadlock).
RETRYABLE_SQLSTATES = frozenset({"40001", "40P01"})
RETRYABLE_ERRNOS = frozenset({1205, 1213})


def payments_database() -> str:
    """Return the alias of the database that payments are written to."""
    return router.db_for_write(get_payment_model())


@contextmanager
def money_transaction() -> Iterator[None]:
    """Open the transaction in which money rows change.

    Durable: what it writes is committed when it ends, because the next step is a call to the provider.

    Raises:
        RuntimeError: the caller has already opened a transaction.
    """
    using = payments_database()
    block = transaction.atomic(using=using, durable=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(block)
        except RuntimeError as error:
            raise RuntimeError(
                "The payment services commit before they call the provider, so they cannot run inside a transaction. "
                "Call them outside of atomic(), and mark views that call them with transaction.non_atomic_requests."
            ) from error
        yield


def lock_payment(payment_pk: Any) -> AbstractPayment:
    """Return the payment, its row locked until the transaction ends.

    Raises:
        DoesNotExist: there is no such payment.
    """
    manager = get_payment_model()._default_manager.using(payments_database())
    payment: AbstractPayment = manager.select_for_update().get(pk=payment_pk)
    return payment


def retry_on_deadlock(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function that is one short transaction again when the database gave it up as a deadlock's victim."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if attempt == MAX_TRIES or not _is_retryable(error):
                    raise
                # Without jitter the same two would meet again.
                time.sleep(random.uniform(0.005, 0.05) * attempt)  # noqa: S311
        raise AssertionError("unreachable")

    return run


def _is_retryable(error: OperationalError) -> bool:
    return not connections[payments_database()].in_atomic_block and is_deadlock(error)


def is_deadlock(error: OperationalError) -> bool:
    """Return whether the database undid a transaction because it met another one."""
    # psycopg 3 and 2 name it differently.
    sqlstate = getattr(error.__cause__, "sqlstate", None) or getattr(error.__cause__, "pgcode", None)
    errno = error.args[0] if error.args else None
    # SQLite has one lock for all; it says so when a transaction that has read meets one that has written.
    return sqlstate in RETRYABLE_SQLSTATES or errno in RETRYABLE_ERRNOS or "database is locked" in str(error)
