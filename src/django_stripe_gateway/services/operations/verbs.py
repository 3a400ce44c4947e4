"""A verb: one thing that a provider can be asked to do, in one object and one file.

The engine runs every verb alike. It locks the subject (a payment, a customer), lets the verb ``check`` what is asked
for, commits the operation with the rows that belong to it, and then, outside of any transaction, lets the verb ``call``
the provider. The answer is ``apply``ed in the transaction that closes the operation. A repeated attempt asks
``find_earlier`` before it calls again, so that nothing is made twice even when the provider has forgotten the
idempotency key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Model

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models.operations import AbstractOperation, OperationQuerySet
from django_stripe_gateway.services.accounts import verify_account
from django_stripe_gateway.services.further_params import NOTHING, FurtherParams, kept_params
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
        about: columns of the operation, of which the same is true, such as the amount.
        key: the caller's own idempotency key, already scoped to who asks for what.
        rows: what the caller has read already, for ``new_operation``.
        further: what the host adds to the call, kept with a new operation.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    match: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    rows: Any = None
    further: FurtherParams = NOTHING


@dataclass
class Claim(Generic[S, O]):
    """One operation in the hands of this process.

    Args:
        subject: what the operation is about, locked while a transaction is open.
        is_own: it is what the caller asks for, and not another one that must be settled first.
        is_answered: it is done, because the caller has asked before or the subject is as asked for: nobody is asked.
        rows: what is stored along with the operation.
        answer: what the provider said; ``None`` when an earlier request was answered.
        began: when the provider was asked; ``seen`` is what the verb wanted to remember of that moment.
        made: what the call has made at the provider beside its answer.
        result: what the verb makes of the answer for its caller.
        added: what the host adds to the call of a new operation, until that is stored.
        undo: takes back what this or an earlier call has done before the rest was refused; set as the call begins.
    """

    verb: Verb[S, O, Any]
    subject: S
    operation: O
    origin: Origin
    is_own: bool = True
    is_answered: bool = False
    rows: list[Model] = field(default_factory=list)
    answer: Any = None
    began: datetime | None = None
    seen: Any = None
    made: list[Any] = field(default_factory=list)
    result: Any = None
    added: FurtherParams = NOTHING
    undo: Callable[[], None] | None = None

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
    def further(self) -> Mapping[str, Any]:
        """What the host has added to the call, as the operation has kept it."""
        return kept_params(self.operation.params)

    @property
    def further_argument(self) -> dict[str, Any]:
        """The same as an argument, which gateways that take no further parameters need not know."""
        return {"further": self.further} if self.further else {}

    @property
    def key(self) -> str:
        """The idempotency key of every attempt at the call."""
        return self.operation.idempotency_key


class Verb(ABC, Generic[S, O, A]):
    """One thing that a provider can be asked to do; see the module."""

    #: As stored on the operation.
    kind: ClassVar[str]
    #: What the operation is about, for sentences.
    noun: ClassVar[str]
    #: The operation's foreign key to its subject.
    subject_field: ClassVar[str]

    #: The table of the operations about this kind of subject.
    model: ClassVar[type[Any]]

    @abstractmethod
    def lock(self, subject_pk: Any, /) -> S:
        """Return the subject, its row locked until the transaction ends."""

    def verify_account(self, subject: S, /) -> None:
        """Raise ``OtherAccount`` if the provider would be asked for what another account has."""
        verify_account(subject)

    @abstractmethod
    def gateway(self, claim: Claim[S, O]) -> Any:
        """Return the gateway that is called."""

    def operations(self, subject_pk: Any = None) -> OperationQuerySet[O]:
        """Return the operations about one subject, by default about all of this kind."""
        rows: OperationQuerySet[O] = self.model.objects.using(payments_database())
        return rows if subject_pk is None else rows.filter(**{self.subject_field: subject_pk})

    def rivals(self, subject_pk: Any, request: Request) -> OperationQuerySet[O]:
        """Return the operations of which one at most is pending: what is asked for waits for that one."""
        return self.operations(subject_pk)

    def new_operation(self, subject: S, request: Request) -> O:
        """Return the operation for a request, not stored yet."""
        values = {"params": dict(request.params), "request_key": request.key, **request.about}
        operation: O = self.model(kind=self.kind, **{self.subject_field: subject}, **values)
        return operation

    def is_met_by(self, request: Request, operation: O) -> bool:
        """Return whether a pending operation is this very request, made before and not answered."""
        if request.key is not None:
            return operation.request_key == request.key
        same = all(operation.params.get(name) == value for name, value in request.match.items())
        return bool(
            operation.kind == self.kind
            and same
            and all(getattr(operation, name) == value for name, value in request.about.items())
        )

    @abstractmethod
    def check(self, claim: Claim[S, O]) -> None:
        """Raise ``GatewayError`` if the locked subject does not allow what is asked for; else complete the operation.

        Nothing was stored yet. What the call needs is written to its ``params``, rows that go along with it to the
        claim's ``rows``. A claim whose subject already is what is asked for is answered.
        """

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

    def note_failure(self, claim: Claim[S, O], error: GatewayError, *, is_over: bool) -> None:
        """Write, under the lock, what a failed call means for the subject; the engine saves the operation."""

    def note_mismatch(self, claim: Claim[S, O], mismatch: Exception) -> None:
        """Write, under the lock, that the answer contradicts the subject."""

    def note_given_up(self, claim: Claim[S, O]) -> None:
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


def pending_operations(table: type[O]) -> OperationQuerySet[O]:
    """Return the operations of a table whose outcome is not known."""
    rows: OperationQuerySet[O] = table._default_manager.using(payments_database())  # type: ignore[assignment]
    return rows.pending()


def registered_verbs() -> Mapping[tuple[type[AbstractOperation], str], Verb[Any, Any, Any]]:
    """Return every verb, by the table of its operations and its kind."""
    return dict(_VERBS)
