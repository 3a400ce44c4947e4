"""The life of an operation: committed before the call, leased while it runs, settled by its answer.

Killed at any point, an operation stays pending. The next request about the payment, or ``resume_operation``, takes it
over when its lease has run out, asks the provider what became of it, and repeats it under the same idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import LogEvent, OperationKind, OperationState, PaymentStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    OperationInProgress,
    ProviderUnavailable,
)
from django_stripe_gateway.models import AbstractPayment, PaymentOperation
from django_stripe_gateway.models.operations import AbstractOperation, new_idempotency_key
from django_stripe_gateway.services.audit import announce_status, write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.refund_sync import fail_refund
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)
from django_stripe_gateway.transitions import can_transition

# What the SDK may wait between its attempts, and we before and after.
LEASE_MARGIN = 30
MAX_CALLS_PER_OPERATION = 3
# What the column holds.
MAX_ATTEMPTS_COUNTED = 32_767
# Customers read the audit trail: what is wrong with the settings is for the log and the error alone.
NOT_CONFIGURED = "The payment gateway is not configured."


@dataclass(frozen=True, slots=True)
class Intention:
    """What a caller wants of a payment.

    Args:
        amount: in the payment's currency, ``None`` for all that there is.
        check: raises if the locked payment does not allow it; returns the amount that will be asked for.
        prepare: changes rows along with the operation's own, and fills its ``params``.
        details: what ``params`` must hold for a pending operation to be this wish.
        request_key: the caller's own idempotency key, already scoped to who asks for what.
    """

    kind: str
    check: Callable[[AbstractPayment], Decimal | None]
    amount: Decimal | None = None
    prepare: Callable[[AbstractPayment, PaymentOperation], None] | None = None
    request_key: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def is_met_by(self, operation: PaymentOperation) -> bool:
        """Return whether a pending operation is this very wish, made before and not answered."""
        if self.request_key is not None:
            return operation.request_key == self.request_key
        same_details = all(operation.params.get(name) == value for name, value in self.details.items())
        return operation.kind == self.kind and operation.requested_amount == self.amount and same_details


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation that this process holds.

    Args:
        is_own: it is what the caller wishes, and not another one that must be settled first.
        is_answered: the caller wished it before, and it is done.
    """

    payment: AbstractPayment
    operation: PaymentOperation
    is_own: bool = True
    is_answered: bool = False

    @property
    def is_first_attempt(self) -> bool:
        """Whether the provider has certainly not been asked before."""
        return self.operation.attempts <= 1


def lease_end() -> datetime:
    """Return until when a process that calls the provider now may still be waiting for its answer."""
    per_call = gateway_settings.timeout * (gateway_settings.max_network_retries + 1)
    return timezone.now() + timedelta(seconds=per_call * MAX_CALLS_PER_OPERATION + LEASE_MARGIN)


@retry_on_deadlock
def begin_operation(payment_id: Any, intention: Intention, origin: Origin) -> Begun:
    """Commit what is about to be asked of the provider, or take over the pending operation that stands in its way.

    Raises:
        OperationInProgress: another process is waiting for the provider's answer about this payment.
        GatewayError: whatever ``intention.check`` raises.
    """
    with money_transaction():
        payment = lock_payment(payment_id)
        pending = payment.operations.using(payments_database()).pending().first()
        if pending is not None:
            take_over(pending)
            return Begun(payment, pending, is_own=intention.is_met_by(pending))
        answered = find_operation(intention.request_key)
        if answered is not None and answered.payment_id == payment.pk:
            answered.payment = payment
            return Begun(payment, answered, is_answered=True)
        return Begun(payment, add_operation(payment, intention, origin))


def find_operation(request_key: str | None) -> PaymentOperation | None:
    """Return the operation that was started under a caller's key and has not failed."""
    if request_key is None:
        return None
    return PaymentOperation.objects.using(payments_database()).filter(request_key=request_key).first()


def add_operation(payment: AbstractPayment, intention: Intention, origin: Origin) -> PaymentOperation:
    """Add the operation that ``intention`` asks for to the locked ``payment``, leased to this process."""
    operation = PaymentOperation(
        payment=payment,
        kind=intention.kind,
        amount=intention.check(payment),
        requested_amount=intention.amount,
        request_key=intention.request_key,
        attempts=1,
        leased_until=lease_end(),
    )
    operation.save(using=payments_database())
    if intention.prepare is not None:
        intention.prepare(payment, operation)
    # Whoever carries it on says in the audit trail who had asked for it.
    operation.params["origin"] = asdict(origin)
    operation.save(using=payments_database(), update_fields=["params"])
    return operation


def recorded_origin(operation: AbstractOperation) -> Origin | None:
    """Return who asked for an operation."""
    recorded = operation.params.get("origin")
    return Origin(**recorded) if isinstance(recorded, dict) else None


@retry_on_deadlock
def release_operation(begun: Begun) -> None:
    """Let the next process take over an operation that this one does not carry on."""
    with money_transaction():
        lock_payment(begun.payment.pk)
        pending = PaymentOperation.objects.using(payments_database()).pending()
        pending.filter(pk=begun.operation.pk).update(leased_until=timezone.now())


@retry_on_deadlock
def take_over_operation(operation_id: int) -> Begun | None:
    """Take over an abandoned operation; ``None`` when it was settled meanwhile.

    Raises:
        OperationInProgress: its process may still be waiting for the answer.
    """
    manager = PaymentOperation.objects.using(payments_database())
    with money_transaction():
        payment = lock_payment(manager.values_list("payment_id", flat=True).get(pk=operation_id))
        operation = manager.get(pk=operation_id)
        if not operation.is_pending:
            return None
        take_over(operation)
        return Begun(payment, operation)


@retry_on_deadlock
def settle_failed_call(begun: Begun, error: GatewayError, origin: Origin) -> None:
    """Write down that the provider refused (the operation is over) or stayed silent (it can be taken over at once)."""
    with money_transaction():
        payment = lock_payment(begun.payment.pk)
        operation = PaymentOperation.objects.using(payments_database()).get(pk=begun.operation.pk)
        if not operation.is_pending:
            return
        detail = NOT_CONFIGURED if isinstance(error, GatewayConfigurationError) else error.detail
        operation.error = {"code": error.code, "detail": detail, "request_id": error.request_id}
        if note_failure(operation, error, is_first_attempt=begun.is_first_attempt):
            _undo_intention(payment, operation, error.code, detail, origin)
        operation.save()
        data = {"kind": operation.kind, "code": error.code, "request_id": error.request_id}
        write_log(payment, LogEvent.OPERATION_FAILED, origin, detail, data)


def note_failure(operation: AbstractOperation, error: GatewayError, *, is_first_attempt: bool) -> bool:
    """Set on a pending operation what its failed call means; the caller saves it.

    A key that is not accepted any more says nothing about what an earlier attempt under the old one has done.

    Returns:
        Whether the operation is over: the provider has certainly done nothing.
    """
    is_known = not isinstance(error, GatewayConfigurationError) or (is_first_attempt and not error.may_have_acted)
    if is_known and not isinstance(error, ProviderUnavailable):
        close_operation(operation, OperationState.FAILED)
        return True
    operation.leased_until = timezone.now()
    if isinstance(error, ProviderUnavailable) and not error.replayable:
        operation.idempotency_key = new_idempotency_key()
    return False


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


def _undo_intention(
    payment: AbstractPayment, operation: PaymentOperation, code: str, detail: str, origin: Origin
) -> None:
    """Let the rows that were prepared for a refused call say so."""
    if operation.kind == OperationKind.REFUND:
        fail_refund(payment, operation.refund, code, origin)
    elif operation.kind == OperationKind.CREATE and can_transition(payment.status, PaymentStatus.ERROR):
        previous, payment.status = payment.status, PaymentStatus.ERROR
        payment.failure_code, payment.decline_code, payment.message = code[:64], "", detail
        payment.save(update_fields=["status", "failure_code", "decline_code", "message", "modified"])
        announce_status(payment, previous, origin)


def take_over(operation: AbstractOperation, subject: str = "payment") -> None:
    """Lease a pending operation to this process; the caller holds the lock of what it is about.

    Args:
        subject: what that is, for the sentence of the error.

    Raises:
        OperationInProgress: its process may still be waiting for the answer.
    """
    now = timezone.now()
    if operation.is_leased(now):
        raise OperationInProgress(
            f"Another operation on this {subject} is waiting for the provider. Try again in a moment.", retry_after=1
        )
    operation.attempts = min(operation.attempts + 1, MAX_ATTEMPTS_COUNTED)
    operation.leased_until = lease_end()
    operation.save(update_fields=["attempts", "leased_until", "modified"])
