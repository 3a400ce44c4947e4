"""Capture an authorised payment; cancel or release one that is not paid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import OperationKind, PaymentStatus
from django_stripe_gateway.exceptions import UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.audit import announce_status
from django_stripe_gateway.services.operations.lifecycle import Intention
from django_stripe_gateway.services.operations.running import run_operation, scoped_request_key
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.amounts import validate_part
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)


def capture_payment(
    *,
    payment: AbstractPayment,
    amount: Decimal | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Take an authorised payment, wholly or in part; the provider releases the rest.

    Args:
        amount: in the payment's currency, ``None`` for all of it.

    Raises:
        InvalidAmount: zero, negative, above what was authorised, or finer than the currency.
        WrongState: the payment is not authorised (any more).
        ProviderError: the provider refused or failed.
    """

    def check(locked: AbstractPayment) -> Decimal:
        if not locked.is_preauthorized:
            raise WrongState(f"Only an authorised payment can be captured; this one is {locked.status}.")
        part = validate_part(amount, locked.total, locked.currency)
        if part != locked.total and not get_gateway(locked.variant).supports_partial_capture:
            raise UnsupportedByGateway("This gateway can only capture the whole payment.")
        return part

    intention = Intention(
        kind=OperationKind.CAPTURE,
        amount=amount,
        check=check,
        request_key=scoped_request_key(idempotency_key, "capture", payment.pk),
    )
    return run_operation(payment.pk, intention, origin).payment


def cancel_payment(
    *, payment: AbstractPayment, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> AbstractPayment:
    """Cancel a waiting payment, or release an authorised one.

    Raises:
        WrongState: the payment is paid or over.
        ProviderError: the provider refused or failed.
    """

    def check(locked: AbstractPayment) -> None:
        if not locked.is_cancellable:
            raise WrongState(f"A payment that is {locked.status} cannot be cancelled.")

    if not payment.transaction_id:
        cancelled = _cancel_unstarted(payment.pk, origin, is_repeat=idempotency_key is not None)
        if cancelled is not None:
            return cancelled
    intention = Intention(
        kind=OperationKind.CANCEL,
        check=check,
        request_key=scoped_request_key(idempotency_key, "cancel", payment.pk),
    )
    return run_operation(payment.pk, intention, origin).payment


@retry_on_deadlock
def _cancel_unstarted(payment_id: Any, origin: Origin, *, is_repeat: bool) -> AbstractPayment | None:
    """Cancel a payment that nothing was made for at the provider; ``None`` if something was, or may have been.

    Args:
        is_repeat: the caller may be asking again for what is done; no operation was needed that would tell.
    """
    with money_transaction():
        payment = lock_payment(payment_id)
        pending = payment.operations.using(payments_database()).pending().exists()
        if payment.transaction_id or pending:
            return None
        if payment.status == PaymentStatus.CANCELLED and is_repeat:
            return payment
        if not payment.is_cancellable:
            return None
        previous, payment.status = payment.status, PaymentStatus.CANCELLED
        payment.save(update_fields=["status", "modified"])
        announce_status(payment, previous, origin)
    return payment
