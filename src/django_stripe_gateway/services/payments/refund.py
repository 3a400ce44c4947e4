"""Give money back."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.choices import LogEvent, OperationKind, RefundReason
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.models import AbstractPayment, PaymentOperation, Refund
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.lifecycle import Intention
from django_stripe_gateway.services.operations.running import run_operation, scoped_request_key
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.amounts import validate_part
from django_stripe_gateway.services.transactions import payments_database


def refund_payment(
    *,
    payment: AbstractPayment,
    amount: Decimal | None = None,
    reason: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Refund:
    """Give back a payment, wholly or in part; refunds can be repeated until nothing is left.

    Args:
        amount: in the payment's currency, ``None`` for all that is left.
        reason: one of ``RefundReason``, or empty.

    Returns:
        The refund; ``refund.payment`` is the payment as it is afterwards. A refund can stay pending for days.

    Raises:
        InvalidAmount: zero, negative, above what is left, or finer than the currency.
        WrongState: the payment is not paid, or nothing is left.
        ProviderError: the provider refused or failed.
    """
    if reason and reason not in RefundReason.values:
        raise InvalidInput(f"The reason is one of {', '.join(RefundReason.values)}.", field="reason")

    def check(locked: AbstractPayment) -> Decimal:
        if not locked.is_confirmed:
            raise WrongState(f"Only a paid payment can be refunded; this one is {locked.status}.")
        left = locked.refundable_amount()
        if left <= 0:
            raise WrongState("Nothing is left to refund: the rest is being refunded already.")
        part = validate_part(amount, left, locked.currency)
        if part != locked.captured_amount and not get_gateway(locked.variant).supports_partial_refund:
            raise UnsupportedByGateway("This gateway can only refund the whole payment.")
        return part

    def prepare(locked: AbstractPayment, operation: PaymentOperation) -> None:
        operation.params = {"reason": reason}
        assert operation.amount is not None  # noqa: S101 (check has returned it)
        refund = Refund(
            payment=locked,
            operation=operation,
            amount=operation.amount,
            currency=locked.currency.upper(),
            reason=reason,
        )
        refund.save(using=payments_database())
        data = {"amount": format_amount(refund.amount, locked.currency), "status": refund.status}
        write_log(locked, LogEvent.REFUND_CREATED, origin, f"refund of {data['amount']} {refund.currency}", data)

    request_key = scoped_request_key(idempotency_key, "refund", payment.pk)
    intention = Intention(
        kind=OperationKind.REFUND, amount=amount, check=check, prepare=prepare, request_key=request_key
    )
    operation = run_operation(payment.pk, intention, origin)
    refund = Refund.objects.using(payments_database()).get(operation=operation)
    refund.payment = operation.payment
    return refund
