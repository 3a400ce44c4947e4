"""A verb: one thing that a provider can be asked to do, in one object and one file.

The engine runs every verb alike. It locks the subject (a payment, a customer), lets the verb ``check`` and ``prepare``,
commits the operation with the rows that the verb ``store``s along, and then, outside of any transaction, lets it
``call`` the provider. The answer is ``apply``ed in the transaction that closes the operation; a refusal is ``undo``ne
there. A repeated attempt asks ``find_earlier`` before it calls again, so that nothing is made twice even when the
provider has forgotten the idempotency key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models.operations import AbstractOperation, OperationQuerySet
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import payments_database

S = TypeVar("S", bound=Any)
O = TypeVar("O", bound=AbstractOperation)  # noqa: E741
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for.

    Args:
        params: what the call needs beside its subject, as JSON: a repeat sends the same bytes.
        match: those of ``params`` that a pending operation must have to be this very request.
        amount: in the payment's currency, ``None`` for all that there is.
        subscription_pk: our row that it is about; ``None`` for none, or for the one that the verb makes.
        key: the caller's own idempotency key, already scoped to who asks for what.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    match: Mapping[str, Any] = field(default_factory=dict)
    amount: Decimal | None = None
    subscription_pk: int | None = None
    key: str | None = None


@dataclass
class Claim(Generic[S, O]):
    """One operation in the hands of this process.

    Args:
        subject: what the operation is about, locked while a transaction is open.
        is_own: it is what the caller asks for, and not another one that must be settled first.
        is_answered: the caller has asked before, and it is done.
        answer: what the provider said; ``None`` when an earlier request has heard it.
        began: when the provider was asked; ``seen`` is what the verb wanted to remember of that moment.
        result: what the verb makes of the answer for its caller.
    """

    verb: Verb[S, O, Any]
    subject: S
    operation: O
    origin: Origin
    is_own: bool = True
    is_answered: bool = False
    answer: Any = None
    began: datetime | None = None
    seen: Any = None
    result: Any = None

    @cached_property
    def gateway(self) -> Any:
        """The gateway that the verb calls, built once for each claim."""
        return self.verb.gateway(self)

    @property
    def params(self) -> dict[str, Any]:
        """What the call needs beside its subject."""
        params: dict[str, Any] = self.operation.params
        return params

    @property
    def key(self) -> str:
        """The idempotency key of every attempt at the call."""
        return self.operation.idempotency_key

    @property
    def is_first_attempt(self) -> bool:
        """Whether the provider has certainly not been asked before."""
        return self.operation.attempts <= 1


class Verb(ABC, Generic[S, O, A]):
    """One thing that a provider can be asked to do; see the module."""

    #: As stored on the operation.
    kind: ClassVar[str]
    #: What the operation is about, for sentences.
    noun: ClassVar[str]
    #: The operation's foreign key to its subject.
    subject_field: ClassVar[str]

    @property
    @abstractmethod
    def model(self) -> type[O]:
        """The table of the operations about this kind of subject."""

    @abstractmethod
    def lock(self, subject_pk: Any) -> S:
        """Return the subject, its row locked until the transaction ends."""

    @abstractmethod
    def gateway(self, claim: Claim[S, O]) -> Any:
        """Return the gateway that is called."""

    def operations(self) -> OperationQuerySet[O]:
        """Return all operations about this kind of subject."""
        return all_operations(self.model)

    def operations_of(self, subject_pk: Any) -> OperationQuerySet[O]:
        """Return the operations about one subject."""
        return self.operations().filter(**{self.subject_field: subject_pk})

    def new_operation(self, subject: S, request: Request) -> O:
        """Return the operation for a request, not stored yet."""
        return self.model(
            kind=self.kind, params=dict(request.params), request_key=request.key, **{self.subject_field: subject}
        )

    def is_met_by(self, request: Request, operation: O) -> bool:
        """Return whether a pending operation is this very request, made before and not answered."""
        if request.key is not None:
            return operation.request_key == request.key
        has_same_params = all(operation.params.get(name) == value for name, value in request.match.items())
        return bool(operation.kind == self.kind and has_same_params and self.is_about_same(request, operation))

    @abstractmethod
    def is_about_same(self, request: Request, operation: O) -> bool:
        """Return whether a pending operation of this kind is about what the request is about."""

    def is_done(self, claim: Claim[S, O]) -> bool:
        """Return whether the locked subject is already what is asked for, so that nobody need be asked."""
        return False

    @abstractmethod
    def check(self, claim: Claim[S, O]) -> None:
        """Raise ``GatewayError`` if the locked subject does not allow what is asked for."""

    def prepare(self, claim: Claim[S, O]) -> None:
        """Complete the operation's ``params`` before it is stored; may make the rows that it is about."""

    def store(self, claim: Claim[S, O]) -> None:
        """Store the rows that go along with the stored operation."""

    def begin_call(self, claim: Claim[S, O]) -> None:
        """Remember, before the provider is asked, what the answer will be compared with."""

    @abstractmethod
    def call(self, claim: Claim[S, O]) -> A:
        """Ask the provider; outside of any transaction."""

    @abstractmethod
    def find_earlier(self, claim: Claim[S, O]) -> A | None:
        """Return what an earlier attempt has done at the provider, ``None`` if it has done nothing."""

    @abstractmethod
    def apply(self, claim: Claim[S, O], answer: A) -> str:
        """Write the answer to the locked subject, and return the id of what was made.

        Raises:
            SnapshotMismatch: the answer contradicts the subject; nothing was changed.
        """

    def undo(self, claim: Claim[S, O], error: GatewayError) -> None:
        """Let the rows that were stored for a refused call say so."""

    def note_failure(self, claim: Claim[S, O], error: GatewayError, *, is_over: bool) -> None:
        """Write, under the lock, what a failed call means for the subject; the engine saves the operation."""
        if is_over:
            self.undo(claim, error)

    def note_mismatch(self, claim: Claim[S, O], mismatch: Exception) -> None:
        """Write, under the lock, that the answer contradicts the subject."""

    def note_superseded(self, claim: Claim[S, O]) -> None:
        """Write, under the lock, that the operation was given up without an answer."""

    def after_apply(self, claim: Claim[S, O]) -> None:
        """Do what the committed answer leaves to be done."""

    def after_refusal(self, claim: Claim[S, O], error: GatewayError, *, is_over: bool) -> None:
        """Bring the subject of a failed call up to date; may raise what says better why it failed."""

    @abstractmethod
    def supersede(self, claim: Claim[S, O]) -> None:
        """Settle an operation without an answer, because something else is asked for.

        Raises:
            OperationInProgress: it cannot be settled yet.
            GatewayError: the provider could not be asked.
        """


_VERBS: dict[tuple[type[AbstractOperation], str], Verb[Any, Any, Any]] = {}

V = TypeVar("V", bound=Verb[Any, Any, Any])


def register(verb: V) -> V:
    """Put a verb into the table by which operations find theirs again."""
    _VERBS[(verb.model, str(verb.kind))] = verb
    return verb


def verb_of(operation: AbstractOperation) -> Verb[Any, Any, Any]:
    """Return the verb of a stored operation."""
    return _VERBS[(type(operation), operation.kind)]


def all_operations(table: type[O]) -> OperationQuerySet[O]:
    """Return the operations of a table."""
    rows: OperationQuerySet[O] = table._default_manager.using(payments_database())  # type: ignore[assignment]
    return rows


def pending_operations(table: type[O]) -> OperationQuerySet[O]:
    """Return the operations of a table whose outcome is not known."""
    return all_operations(table).pending()


def registered_verbs() -> Mapping[tuple[type[AbstractOperation], str], Verb[Any, Any, Any]]:
    """Return every verb, by the table of its operations and its kind."""
    return dict(_VERBS)
