"""Walk through what is found, and let nothing that is wrong with one object stop the others."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, Protocol, TypeVar

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DatabaseError, connections
from django.utils import timezone

from django_stripe_gateway.exceptions import InvalidInput, ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.account_reading import AccountReader, Page, Unreadable
from django_stripe_gateway.services.imports.results import Imported, Outcome
from django_stripe_gateway.services.mails.outbox import without_mails
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)

#: What came of an object, and what there is to say of it.
Result = tuple[Outcome, str]
# What values raise that do not fit what they are read as, or what they are written to.
MISFITS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    ObjectDoesNotExist,
    TypeError,
    ValidationError,
    ValueError,
)


class OfCustomer(Protocol):
    """An object of an account; it is of a customer, or of a guest."""

    @property
    def customer_id(self) -> str:
        """The provider's id, empty for a guest."""


T = TypeVar("T")
C = TypeVar("C", bound=OfCustomer)


@dataclass(frozen=True, slots=True)
class Bringer(ABC, Generic[C]):
    """How the objects of one kind are brought."""

    kind: ClassVar[str]

    reader: AccountReader
    variant: str

    @abstractmethod
    def name(self, item: C) -> tuple[str, str]:
        """Return the provider's id of an object, and its status."""

    @abstractmethod
    def is_known(self, item: C) -> bool:
        """Return whether there is a row of it."""

    @abstractmethod
    def take(self, item: C, began: datetime, customer_pk: int | None) -> Result:
        """Write it as the provider showed it at the moment ``began``."""

    def problem(self, item: C) -> str:
        """Return why it cannot be written, empty if it can."""
        return ""


def bring(
    bringer: Bringer[C], pages: Iterator[Page[C]], customers: Mapping[str, int | None], *, dry_run: bool
) -> Iterator[Imported]:
    """Bring all objects of a kind that are of known customers, and yield what became of each.

    Args:
        customers: keys of the rows of those who are known here, by the provider's ids.
    """

    def one(item: C, status: str, began: datetime) -> Result:
        if item.customer_id not in customers:
            return Outcome.LEFT_OUT, f"{status}, of {item.customer_id}, whose owner is not known"
        problem = bringer.problem(item)
        if problem:
            return Outcome.FAILED, problem
        if dry_run:
            return Outcome.KNOWN if bringer.is_known(item) else Outcome.NEW, status
        return bringer.take(item, began, customers[item.customer_id])

    for began, item in dated(pages):
        if isinstance(item, Unreadable):
            yield Imported(bringer.kind, item.object_id, Outcome.FAILED, item.reason)
            continue
        object_id, status = bringer.name(item)
        yield attempt(bringer.kind, object_id, lambda: one(item, status, began))  # noqa: B023 (called at once)


def attempt(kind: str, object_id: str, step: Callable[[], Result]) -> Imported:
    """Return what became of one object, also where that is why it cannot be brought.

    Raises:
        GatewayError: nobody can be asked any more, about no object.
        DatabaseError: the database has gone.
    """
    try:
        with without_mails():
            outcome, detail = step()
    except SupersededAttempt:
        outcome, detail = Outcome.KNOWN, "of an earlier attempt"
    except ProviderError as error:
        if error.is_missing:
            outcome, detail = Outcome.LEFT_OUT, "it is gone"
        elif is_about_one(error):
            outcome, detail = Outcome.FAILED, error.detail
        else:
            raise
    except DatabaseError as error:
        connection = connections[payments_database()]
        if connection.connection is None or not connection.is_usable():
            raise
        outcome, detail = Outcome.FAILED, first_line(error)
    except (SnapshotMismatch, InvalidInput) as error:
        outcome, detail = Outcome.FAILED, str(error)
    except MISFITS as error:
        logger.warning("%s %s cannot be brought: %s.", kind, object_id, type(error).__name__)
        outcome, detail = Outcome.FAILED, f"{type(error).__name__}: {first_line(error)}"
    return Imported(kind, object_id, outcome, detail)


def is_about_one(error: ProviderError) -> bool:
    """Return whether the provider answered, and no more than what was asked about is to blame.

    An answer that nobody can read, and a server error that stands for good, come again with the same object.
    """
    if not isinstance(error, ProviderUnavailable):
        return True
    return error.code == "malformed_object" or not error.replayable


def first_line(error: Exception) -> str:
    """Return what an error says; the lines after the first one may hold the row."""
    messages = error.messages if isinstance(error, ValidationError) else [str(error)]
    return (" ".join(messages).splitlines() or [""])[0]


def dated(pages: Iterator[Page[T]]) -> Iterator[tuple[datetime, T | Unreadable]]:
    """Yield the objects of all pages, each with the moment at which its page was asked for.

    By that moment it is judged whether what is known here is newer.
    """
    while True:
        began = timezone.now()
        page = next(pages, None)
        if page is None:
            return
        for item in page:
            yield began, item
