"""What is wrong with what a provider says, and whether it fits the columns that would keep it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model


class SnapshotMismatch(Exception):
    """What the provider says contradicts the row; nothing may be changed by it."""


class SupersededAttempt(Exception):
    """The snapshot is of an earlier attempt at the payment, which no longer matters."""


class PageDecides(SnapshotMismatch):
    """What an intent says is the payment's only if its page says so, too: another amount, or on a seller's account."""


def verify_lengths(row: Model, snapshot: Any, names: Iterable[str]) -> None:
    """Raise ``SnapshotMismatch`` if a text is longer than the column of its name: PostgreSQL and MariaDB refuse it."""
    for name in names:
        value, longest = getattr(snapshot, name), getattr(row._meta.get_field(name), "max_length", None)
        if isinstance(value, str) and longest is not None and len(value) > longest:
            raise SnapshotMismatch(f"{name} is too long")
