"""Make way for a wish where an earlier one was never answered, without carrying the earlier one out.

Whoever asks for something else has given up on what got no answer: cancelling a payment must not capture it first.
"""

from __future__ import annotations

from collections.abc import Mapping

from django_stripe_gateway.choices import LogEvent, OperationKind, OperationState
from django_stripe_gateway.exceptions import GatewayError, OperationInProgress, ProviderUnavailable
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import ProviderStatus
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.lifecycle import (
    Begun,
    close_operation,
    release_operation,
    settle_failed_call,
)
from django_stripe_gateway.services.operations.performing import (
    find_made_refund,
    look_up,
    payment_ref,
    perform_operation,
    sync_snapshot,
    write_answer,
)
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)

#: Where a payment stands at its provider once an operation has taken effect.
DONE: Mapping[str, frozenset[ProviderStatus]] = {
    OperationKind.CONFIRM: frozenset(
        {
            ProviderStatus.SUCCEEDED,
            ProviderStatus.AUTHORIZED,
            ProviderStatus.PROCESSING,
            ProviderStatus.REQUIRES_ACTION,
        }
    ),
    OperationKind.CAPTURE: frozenset({ProviderStatus.SUCCEEDED}),
    OperationKind.CANCEL: frozenset({ProviderStatus.CANCELED, ProviderStatus.REJECTED}),
}


def make_way(begun: Begun, origin: Origin) -> None:
    """Settle the operation of an earlier wish by what the provider says has become of it.

    A confirmation, capture or cancellation that has not happened is given up: they are about one object, on which the
    provider lets only one of them succeed, should the lost request still arrive. A refund is not, because two refunds
    add up.

    Raises:
        OperationInProgress: a refund has no answer yet; asking for the same again carries it on.
        ProviderError: the provider could not be asked.
    """
    try:
        if begun.operation.kind == OperationKind.CREATE:
            _finish_creation(begun, origin)
        elif begun.operation.kind == OperationKind.REFUND:
            _settle_refund(begun, origin)
        else:
            _settle_or_give_up(begun, origin)
    except ProviderUnavailable as error:
        settle_failed_call(begun, error, origin)
        raise


def _finish_creation(begun: Begun, origin: Origin) -> None:
    """Make the page after all: it takes no money, and only its id lets it be closed."""
    try:
        perform_operation(begun, origin)
    except ProviderUnavailable:
        raise
    except GatewayError:
        # Refused for good, which is its caller's news; the way is free.
        return


def _settle_refund(begun: Begun, origin: Origin) -> None:
    made = find_made_refund(get_gateway(begun.payment.variant), begun)
    if made is not None:
        write_answer(begun, made, origin)
        return
    release_operation(begun)
    amount = display_amount(begun.operation.amount or begun.payment.total, begun.payment.currency)
    raise OperationInProgress(
        f"A refund of {amount} was asked for and has no answer yet. Ask for the same amount again to settle it.",
        retry_after=1,
    )


def _settle_or_give_up(begun: Begun, origin: Origin) -> None:
    gateway = get_gateway(begun.payment.variant)
    snapshot = look_up(lambda: gateway.retrieve_payment(payment_ref(begun.payment)))
    if snapshot.status in DONE[begun.operation.kind]:
        write_answer(begun, snapshot, origin)
        return
    _give_up(begun, origin)
    sync_snapshot(begun.payment.pk, snapshot, origin)


@retry_on_deadlock
def _give_up(begun: Begun, origin: Origin) -> None:
    with money_transaction():
        payment = lock_payment(begun.payment.pk)
        operation = PaymentOperation.objects.using(payments_database()).get(pk=begun.operation.pk)
        if not operation.is_pending:
            return
        close_operation(operation, OperationState.FAILED)
        operation.error = {"code": "superseded", "detail": "Another request came before the provider's answer."}
        operation.save()
        data = {"kind": operation.kind, "code": "superseded"}
        write_log(payment, LogEvent.OPERATION_FAILED, origin, f"{operation.kind} given up without an answer", data)
