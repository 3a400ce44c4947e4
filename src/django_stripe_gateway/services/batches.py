"""Go through many rows without a cursor that outlives a transaction.

``QuerySet.iterator()`` keeps a cursor on PostgreSQL's server, over every commit of the loop. A pooler that hands out
connections for one transaction each (PgBouncer) gives the next read to another connection, which knows no such cursor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)

SIZE = 500


def in_batches(rows: QuerySet[M], size: int = SIZE) -> Iterator[M]:
    """Yield rows in the order of their primary keys, each batch of them read by a statement of its own.

    Args:
        rows: whose order does not matter; the condition is looked at again for each batch.
        size: how many are in memory at a time.
    """
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size]) if len(batch) == size else []
