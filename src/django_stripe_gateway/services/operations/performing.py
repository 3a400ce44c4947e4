"""Carry out an operation: call the provider outside of any transaction, then write its answer under the lock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django_stripe_gateway.choices import CaptureMethod, LogEvent, OperationKind, OperationState
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    WrongState,
)
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import (
    Failure,
    LineItem,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.models import AbstractPayment, PaymentOperation, Refund
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.lifecycle import Begun, close_operation, settle_failed_call
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.refund_sync import apply_refund
from django_stripe_gateway.services.payments.sync import (
    SnapshotMismatch,
    SupersededAttempt,
    apply_snapshot,
    snapshot_of_decline,
)
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)

Answer = PaymentSnapshot | RefundSnapshot
T = TypeVar("T")

logger = logging.getLogger(__name__)


def perform_operation(begun: Begun, origin: Origin) -> PaymentOperation:
    """Ask the provider for what ``begun`` stands for, and write the answer.

    Returns:
        The settled operation; ``operation.payment`` is the payment as it is now.

    Raises:
        PaymentDeclined: the decline has been written to the payment.
        WrongState: the provider's object does not allow it; the payment has been brought up to date.
        ProviderError: the provider refused or failed.
    """
    gateway = get_gateway(begun.payment.variant)
    try:
        answer = CALLS[begun.operation.kind](gateway, begun)
    except PaymentDeclined as error:
        if begun.operation.kind == OperationKind.CONFIRM:
            _write_decline(begun, error, origin)
        else:
            settle_failed_call(begun, error, origin)
        raise
    except ProviderUnavailable as error:
        settle_failed_call(begun, error, origin)
        raise
    except ProviderError as error:
        settle_failed_call(begun, error, origin)
        if _has_moved_on(gateway, begun, origin) or isinstance(error, ProviderStateError):
            raise WrongState(error.detail, code=error.code, request_id=error.request_id) from error
        raise
    except GatewayError as error:
        settle_failed_call(begun, error, origin)
        raise
    return write_answer(begun, answer, origin)


@retry_on_deadlock
def write_answer(begun: Begun, answer: Answer, origin: Origin) -> PaymentOperation:
    """Write the provider's answer to an operation, and return the operation with the payment as it is now."""
    with money_transaction():
        payment = lock_payment(begun.payment.pk)
        operation = PaymentOperation.objects.using(payments_database()).get(pk=begun.operation.pk)
        state, object_id = OperationState.SUCCEEDED, ""
        try:
            if isinstance(answer, RefundSnapshot):
                refund = Refund.objects.using(payments_database()).get(operation=operation)
                apply_refund(payment, answer, origin, refund=refund)
                object_id = answer.refund_id
            else:
                apply_snapshot(payment, answer, origin, operation=operation)
                object_id = answer.object_id
        except SnapshotMismatch as mismatch:
            write_log(payment, LogEvent.MISMATCH, origin, str(mismatch), {"kind": operation.kind})
            state = OperationState.FAILED
        if operation.is_pending:
            # Unless another process has taken it over and was faster.
            close_operation(operation, state, object_id)
            operation.save()
    if state == OperationState.FAILED:
        raise ProviderError("The provider's answer contradicts the payment.", code="provider_mismatch")
    if isinstance(answer, PaymentSnapshot):
        payment.client_secret = answer.client_secret
    operation.payment = payment
    return operation


@retry_on_deadlock
def sync_snapshot(payment_id: Any, snapshot: PaymentSnapshot, origin: Origin) -> AbstractPayment:
    """Write what the provider was asked outside of an operation; a contradiction changes nothing."""
    with money_transaction():
        payment = lock_payment(payment_id)
        try:
            apply_snapshot(payment, snapshot, origin)
        except SupersededAttempt:
            logger.info("Payment %s was started anew while its earlier attempt was looked up.", payment_id)
        except SnapshotMismatch as mismatch:
            write_log(payment, LogEvent.MISMATCH, origin, str(mismatch), {"object_id": snapshot.object_id})
    return payment


def payment_ref(payment: AbstractPayment) -> PaymentRef:
    """Return the ids by which the provider knows ``payment``."""
    return PaymentRef(payment.transaction_id, payment.intent_id, payment.currency)


def payment_metadata(payment: AbstractPayment) -> dict[str, str]:
    """Return what is written on every object made for ``payment``, so that events find it again."""
    metadata = {"payment_id": str(payment.pk), "token": str(payment.token)}
    return metadata | ({"order_id": payment.order_id} if payment.order_id else {})


def payment_request(payment: AbstractPayment, operation: PaymentOperation) -> PaymentRequest:
    """Return the request of an operation, the same for every attempt at it."""
    params = operation.params
    expires_at = params.get("expires_at")
    return PaymentRequest(
        amount=payment.total,
        currency=payment.currency,
        token=str(payment.token),
        metadata=payment_metadata(payment) | {"attempt": str(operation.pk)},
        description=payment.description,
        manual_capture=payment.capture_method == CaptureMethod.MANUAL,
        items=[LineItem(item["name"], Decimal(item["price"]), item["quantity"]) for item in params.get("items", [])],
        success_url=params.get("success_url", ""),
        cancel_url=params.get("cancel_url", ""),
        customer_email=payment.billing_email,
        payment_method=params.get("payment_method", ""),
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
    )


def _create(gateway: Gateway, begun: Begun) -> Answer:
    request = payment_request(begun.payment, begun.operation)
    return gateway.create_payment(request, idempotency_key=begun.operation.idempotency_key)


def _confirm(gateway: Gateway, begun: Begun) -> Answer:
    request = payment_request(begun.payment, begun.operation)
    ref = payment_ref(begun.payment)
    return gateway.confirm_payment(ref, request, idempotency_key=begun.operation.idempotency_key)


def _capture(gateway: Gateway, begun: Begun) -> Answer:
    ref = payment_ref(begun.payment)
    if not begun.is_first_attempt:
        snapshot = look_up(lambda: gateway.retrieve_payment(ref))
        if snapshot.status == ProviderStatus.SUCCEEDED:
            return snapshot
    amount = begun.operation.amount or begun.payment.total
    return gateway.capture_payment(ref, amount, idempotency_key=begun.operation.idempotency_key)


def _cancel(gateway: Gateway, begun: Begun) -> Answer:
    ref = payment_ref(begun.payment)
    if not begun.is_first_attempt:
        snapshot = look_up(lambda: gateway.retrieve_payment(ref))
        if snapshot.status in (ProviderStatus.CANCELED, ProviderStatus.REJECTED):
            return snapshot
    return gateway.cancel_payment(ref, idempotency_key=begun.operation.idempotency_key)


def _refund(gateway: Gateway, begun: Begun) -> Answer:
    operation = begun.operation
    if not begun.is_first_attempt:
        made = find_made_refund(gateway, begun)
        if made is not None:
            return made
    return gateway.refund_payment(
        payment_ref(begun.payment),
        operation.amount or begun.payment.total,
        reason=operation.params.get("reason", ""),
        metadata=payment_metadata(begun.payment) | {"operation": str(operation.pk)},
        idempotency_key=operation.idempotency_key,
    )


def find_made_refund(gateway: Gateway, begun: Begun) -> RefundSnapshot | None:
    """Return the refund that an earlier attempt at an operation has made at the provider."""
    refunds = look_up(lambda: gateway.list_refunds(payment_ref(begun.payment)))
    marker = str(begun.operation.pk)
    return next((made for made in refunds if made.metadata.get("operation") == marker), None)


def look_up(ask: Callable[[], T]) -> T:
    """Ask what became of an earlier attempt; whatever stands in the way of knowing leaves its outcome unknown."""
    try:
        return ask()
    except GatewayConfigurationError:
        raise
    except ProviderError as error:
        raise ProviderUnavailable(error.detail, code=error.code, request_id=error.request_id) from error


CALLS: Mapping[str, Callable[[Gateway, Begun], Answer]] = {
    OperationKind.CREATE: _create,
    OperationKind.CONFIRM: _confirm,
    OperationKind.CAPTURE: _capture,
    OperationKind.CANCEL: _cancel,
    OperationKind.REFUND: _refund,
}


@retry_on_deadlock
def _write_decline(begun: Begun, error: PaymentDeclined, origin: Origin) -> None:
    failure = Failure(error.code, str(error.extra.get("decline_code", "")), error.detail)
    with money_transaction():
        payment = lock_payment(begun.payment.pk)
        operation = PaymentOperation.objects.using(payments_database()).get(pk=begun.operation.pk)
        intent_id = error.intent_id or payment.intent_id
        ids = {"object_id": intent_id or payment.transaction_id, "intent_id": intent_id}
        apply_snapshot(payment, snapshot_of_decline(payment, ids, failure), origin, operation=operation)
        operation.error = {"code": error.code, "detail": error.detail, "request_id": error.request_id}
        close_operation(operation, OperationState.FAILED, ids["object_id"])
        operation.save()
    error.extra.setdefault("payment_id", begun.payment.pk)


def _has_moved_on(gateway: Gateway, begun: Begun, origin: Origin) -> bool:
    """Bring the payment of a refused call up to date, and return whether its status was not what we thought."""
    if not begun.payment.transaction_id:
        return False
    try:
        snapshot = gateway.retrieve_payment(payment_ref(begun.payment))
    except GatewayError:
        return False
    return bool(sync_snapshot(begun.payment.pk, snapshot, origin).status != begun.payment.status)
