"""The engine that runs every verb: stored before the call, leased while it runs, settled by its answer.

Killed at any point, an operation stays pending. The next request about its subject, or ``resume``, claims it when its
lease has run out, asks the provider what became of it, and repeats it under the same idempotency key. The answer and
the operation's outcome are committed together.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.utils import timezone

from django_stripe_gateway.choices import OperationState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    InvalidInput,
    OperationInProgress,
    ProviderError,
    ProviderUnavailable,
)
from django_stripe_gateway.models.operations import AbstractOperation, new_idempotency_key
from django_stripe_gateway.services.further_params import KEPT_AS
from django_stripe_gateway.services.operations.verbs import Claim, Request, Verb, verb_of
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

T = TypeVar("T")

logger = logging.getLogger(__name__)

MAX_ROUNDS = 3
# What the SDK may wait between its attempts, and we before and after.
LEASE_MARGIN = 30
# Starting a payment anew looks for the page, looks twice and asks twice to close the one before, and makes one twice.
MAX_CALLS_PER_OPERATION = 7
# What the column holds.
MAX_ATTEMPTS_COUNTED = 32_767


def run(verb: Verb[Any, Any, Any], subject_pk: Any, request: Request, origin: Origin) -> Claim[Any, Any]:
    """Do what ``request`` asks for, once, and return the settled claim with its subject as it is afterwards.

    An operation that an earlier process left behind is carried on if it was this very request; another one is settled
    first.

    Raises:
        OperationInProgress: another process is waiting for the provider's answer about this subject.
        GatewayError: whatever the verb's ``check`` raises; the provider refused or failed.
    """
    for _round in range(MAX_ROUNDS):
        claim = begin(verb, subject_pk, request, origin)
        if claim.is_answered:
            return claim
        if claim.is_own:
            return perform(claim)
        claim.verb.supersede(claim)
    raise OperationInProgress(f"Other operations on this {verb.noun} keep coming first. Try again.", retry_after=1)


def resume(table: type[AbstractOperation], operation_pk: int, origin: Origin = SYSTEM) -> None:
    """Settle an abandoned operation in the name of who asked for it; does nothing if it is settled already.

    Raises:
        GatewayError: the provider refused (which settles it), or is still silent (which does not).
    """
    claim = reclaim(table, operation_pk, origin)
    if claim is not None:
        perform(claim)


def carry_on(claim: Claim[Any, Any]) -> bool:
    """Carry out what somebody else had asked for; if that is refused, it is their request that fails.

    Returns:
        Whether it was done.

    Raises:
        GatewayError: what became of it is still not known.
    """
    try:
        perform(claim)
    except GatewayError as error:
        if claim.verb.operations().pending().filter(pk=claim.operation.pk).exists():
            raise
        logger.info("The earlier operation %s was refused: %s.", claim.operation.pk, error.code)
        return False
    return True


def perform(claim: Claim[Any, Any]) -> Claim[Any, Any]:
    """Ask the provider for what a claim stands for, and write the answer.

    Raises:
        GatewayError: the provider refused or failed; what that means has been written.
    """
    verb = claim.verb
    verb.begin_call(claim)
    claim.began = timezone.now()
    try:
        answer = None if claim.operation.attempts <= 1 else look_up(lambda: verb.find_earlier(claim))
        if answer is None:
            answer = _call(claim)
    except GatewayError as error:
        is_over = settle_failure(claim, error)
        verb.after_refusal(claim, error, is_over=is_over)
        raise
    settle(claim, answer)
    verb.after_apply(claim)
    return claim


def _call(claim: Claim[Any, Any]) -> Any:
    """Call the provider; a refusal leaves all as it was."""
    try:
        return claim.verb.call(claim)
    except (GatewayConfigurationError, ProviderUnavailable):
        # Nobody knows what was done; or nobody can be asked to take it back.
        raise
    except GatewayError:
        if claim.undo is not None:
            claim.undo()
        raise


def is_unanswered(verb: Verb[Any, Any, Any], subject_pk: Any, request: Request) -> bool:
    """Return whether this very request was made before and has no answer yet."""
    return any(verb.is_met_by(request, operation) for operation in verb.rivals(subject_pk, request).pending())


def look_up(ask: Callable[[], T]) -> T:
    """Ask what became of an earlier attempt; whatever stands in the way of knowing leaves its outcome unknown."""
    try:
        return ask()
    except GatewayConfigurationError:
        raise
    except ProviderError as error:
        raise ProviderUnavailable(error.detail, code=error.code, request_id=error.request_id) from error


@retry_on_deadlock
def begin(verb: Verb[Any, Any, Any], subject_pk: Any, request: Request, origin: Origin) -> Claim[Any, Any]:
    """Commit what is about to be asked of the provider, or claim the pending operation that stands in its way.

    Raises:
        OperationInProgress: another process is waiting for the provider's answer about this subject.
        OtherAccount: the subject is of another account than its variant stands for now.
        GatewayError: whatever the verb's ``check`` raises.
    """
    with money_transaction():
        subject = verb.lock(subject_pk)
        verb.verify_account(subject)
        pending = verb.rivals(subject_pk, request).pending().first()
        if pending is not None:
            _lease(pending, verb.noun)
            is_own = verb.is_met_by(request, pending)
            who = origin if is_own else recorded_origin(pending) or origin
            return Claim(verb_of(pending), subject, pending, who, is_own=is_own)
        if request.key is not None:
            answered = verb.operations(subject_pk).filter(request_key=request.key).first()
            if answered is not None:
                return Claim(verb, subject, answered, origin, is_answered=True)
        claim = Claim(verb, subject, verb.new_operation(subject, request), origin, added=request.further)
        store(claim)
        return claim


@retry_on_deadlock
def reclaim(table: type[AbstractOperation], operation_pk: int, origin: Origin) -> Claim[Any, Any] | None:
    """Claim an abandoned operation; ``None`` when it was settled meanwhile.

    Raises:
        OperationInProgress: another process waits for its answer.
        OtherAccount: it is about what another account has.
    """
    rows = table._default_manager.using(payments_database())
    with money_transaction():
        found = rows.get(pk=operation_pk)
        verb = verb_of(found)
        subject = verb.lock(getattr(found, f"{verb.subject_field}_id"))
        # What another process has written before the lock was had.
        operation = rows.get(pk=operation_pk)
        if not operation.is_pending:
            return None
        verb.verify_account(subject)
        _lease(operation, verb.noun)
        who = recorded_origin(operation) or origin
        return Claim(verb, subject, operation, who)


def store(claim: Claim[Any, Any]) -> None:
    """Add the operation of a claim whose subject is locked, leased to this process, unless nobody need be asked.

    Raises:
        InvalidInput: a text is none that a database takes.
        GatewayError: whatever the verb's ``check`` raises; the host adds what it may not.
    """
    operation = claim.operation
    _check_texts(operation.params)
    claim.verb.check(claim)
    if claim.is_answered:
        return
    if added := claim.added.verified():
        operation.params[KEPT_AS] = dict(added)
    # Whoever carries it on says in the audit trail who had asked for it.
    operation.params["origin"] = asdict(claim.origin)
    operation.attempts = 1
    operation.leased_until = lease_end()
    operation.save(using=payments_database(), force_insert=True)
    for row in claim.rows:
        row.save(using=payments_database(), force_insert=True)


def _check_texts(value: Any) -> None:
    """Raise ``InvalidInput`` for NUL and halves of surrogate pairs, which some databases take and others do not."""
    if isinstance(value, str):
        if "\0" in value or value != value.encode(errors="replace").decode():
            raise InvalidInput("A text holds characters that cannot be stored.")
    elif isinstance(value, Mapping):
        for name, part in value.items():
            _check_texts(name)
            _check_texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_texts(part)


@retry_on_deadlock
def settle(claim: Claim[Any, Any], answer: Any) -> None:
    """Write the provider's answer and the operation's outcome, in one transaction.

    Raises:
        ProviderError: the answer contradicts the subject.
    """
    with money_transaction():
        _lock(claim)
        state, object_id = OperationState.SUCCEEDED, ""
        try:
            object_id = claim.verb.apply(claim, answer)
        except SnapshotMismatch as mismatch:
            claim.verb.note_mismatch(claim, mismatch)
            state = OperationState.FAILED
        except SupersededAttempt:
            # An event has overtaken the answer, and has written down what contradicts the subject.
            state = OperationState.FAILED
        if claim.operation.is_pending:
            # Unless another process has claimed it and was faster.
            close_operation(claim.operation, state, object_id)
            claim.operation.save(using=payments_database())
    if state == OperationState.FAILED:
        raise ProviderError(f"The provider's answer contradicts the {claim.verb.noun}.", code="provider_mismatch")
    claim.answer = answer


@retry_on_deadlock
def settle_failure(claim: Claim[Any, Any], error: GatewayError) -> bool:
    """Write that the provider refused (the operation is over) or stayed silent (it can be claimed at once).

    Returns:
        Whether the operation is over: the provider has certainly done nothing.
    """
    with money_transaction():
        _lock(claim)
        operation = claim.operation
        if not operation.is_pending:
            return False
        operation.error = {"code": error.code, "request_id": error.request_id}
        # A key that is not accepted any more says nothing about what an earlier attempt under the old one has done.
        is_unknown = isinstance(error, GatewayConfigurationError) and (operation.attempts > 1 or error.may_have_acted)
        is_over = not (is_unknown or isinstance(error, ProviderUnavailable))
        if is_over:
            close_operation(operation, OperationState.FAILED)
        else:
            operation.leased_until = timezone.now()
        if isinstance(error, ProviderUnavailable) and not error.replayable:
            operation.idempotency_key = new_idempotency_key()
        claim.verb.note_failure(claim, error, is_over=is_over)
        operation.save(using=payments_database())
    return is_over


@retry_on_deadlock
def give_up(claim: Claim[Any, Any], code: str, detail: str) -> None:
    """Close an operation that has certainly not happened and shall not happen any more, or of which nobody can say.

    Args:
        code: why, as an error's ``code``; ``detail`` says it in a sentence.
    """
    with money_transaction():
        _lock(claim)
        if not claim.operation.is_pending:
            return
        close_operation(claim.operation, OperationState.FAILED)
        claim.operation.error = {"code": code, "detail": detail}
        claim.operation.save(using=payments_database())
        claim.verb.note_given_up(claim)


@retry_on_deadlock
def change_call(claim: Claim[Any, Any], changes: Mapping[str, Any]) -> None:
    """Commit that an operation asks for something else, under a key of its own: what it asked for has not happened.

    Args:
        changes: of its ``params``.

    Raises:
        OperationInProgress: another process has settled it meanwhile.
    """
    with money_transaction():
        claim.verb.lock(claim.subject.pk)
        operation = claim.verb.operations().get(pk=claim.operation.pk)
        if not operation.is_pending:
            raise OperationInProgress(
                f"Another process was faster with this {claim.verb.noun}. Ask again.", retry_after=1
            )
        operation.params |= changes
        operation.idempotency_key = new_idempotency_key()
        operation.save(using=payments_database(), update_fields=["params", "idempotency_key", "modified"])
    claim.operation = operation


@retry_on_deadlock
def release(claim: Claim[Any, Any]) -> None:
    """Let the next process claim an operation that this one does not carry on."""
    with money_transaction():
        claim.verb.lock(claim.subject.pk)
        pending = claim.verb.operations().pending().filter(pk=claim.operation.pk)
        pending.update(leased_until=timezone.now())


def close_operation(operation: AbstractOperation, state: str, object_id: str = "") -> None:
    """Set the outcome of an operation; the caller saves it in the transaction that writes the outcome's effect.

    A failed operation had no effect, so that its caller's key may be used for another try.
    """
    operation.state = state
    operation.leased_until = timezone.now()
    if object_id:
        operation.object_id = object_id
    if state == OperationState.FAILED:
        operation.request_key = None
    else:
        operation.error = {}


def recorded_origin(operation: AbstractOperation) -> Origin | None:
    """Return who asked for an operation."""
    recorded = operation.params.get("origin")
    return Origin(**recorded) if isinstance(recorded, dict) else None


def lease_end() -> datetime:
    """Return until when a process that calls the provider now may still be waiting for its answer."""
    per_call = gateway_settings.timeout * (gateway_settings.max_network_retries + 1)
    return timezone.now() + timedelta(seconds=per_call * MAX_CALLS_PER_OPERATION + LEASE_MARGIN)


def scoped_request_key(idempotency_key: str | None, *scope: Any) -> str | None:
    """Return the caller's key as stored on an operation: one-way, and apart for each owner and purpose."""
    if not idempotency_key:
        return None
    text = "\n".join([idempotency_key, *(str(part) for part in scope)])
    return hashlib.sha256(text.encode()).hexdigest()


def _lease(operation: AbstractOperation, noun: str) -> None:
    """Lease a pending operation to this process; the caller holds the lock of its subject."""
    if operation.is_leased(timezone.now()):
        raise OperationInProgress(
            f"Another operation on this {noun} is waiting for the provider. Try again in a moment.", retry_after=1
        )
    operation.attempts = min(operation.attempts + 1, MAX_ATTEMPTS_COUNTED)
    operation.leased_until = lease_end()
    operation.save(update_fields=["attempts", "leased_until", "modified"])


def _lock(claim: Claim[Any, Any]) -> None:
    """Lock the subject of a claim, and read both of its rows anew."""
    claim.subject = claim.verb.lock(claim.subject.pk)
    claim.operation = claim.verb.operations().get(pk=claim.operation.pk)
