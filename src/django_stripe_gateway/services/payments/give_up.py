"""Give up on a payment that nobody can be asked about."""

from __future__ import annotations

from django_stripe_gateway.choices import LogEvent, PaymentStatus
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.models import AbstractPayment, PaymentOperation
from django_stripe_gateway.services.audit import announce_status, write_log
from django_stripe_gateway.services.operations.giving_up import (
    KnownRow,
    close_operations,
    verify_reason,
    verify_unknown,
    verify_unleased,
)
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.transactions import (
    lock_payment,
    money_transaction,
    payments_database,
    retry_on_deadlock,
)
from django_stripe_gateway.transitions import can_transition


class KnownPayment(KnownRow):
    """A payment."""

    @property
    def object_id(self) -> str:
        """The id of its page or intent."""
        return self.row.transaction_id or ""

    def find(self) -> bool:
        """Ask for it."""
        return bool(get_gateway(self.row.variant).retrieve_payment(payment_ref(self.row)))


def give_up_payment(*, payment: AbstractPayment, reason: str, origin: Origin = SYSTEM) -> AbstractPayment:
    """Cancel a payment here that its provider does not know, or that belongs to another account; nobody is told.

    Its pending operations are closed with it. What was paid stays paid: then only the operations are closed.

    Args:
        reason: why, for the audit trail.

    Raises:
        InvalidInput: no reason was given.
        WrongState: there is nothing left to settle, or the provider knows the payment in the configured account.
        OperationInProgress: a process may still be waiting for the provider's answer about it.
        ProviderError: the provider refused to say, or failed.
    """
    reason = verify_reason(reason)
    operations = PaymentOperation.objects.using(payments_database()).filter(payment=payment.pk)
    is_open = can_transition(payment.status, PaymentStatus.CANCELLED)
    if not is_open and not operations.pending().exists():
        raise WrongState(f"A payment that is {payment.status} is settled.")
    verify_unknown(KnownPayment(payment), "payment")
    verify_unleased(operations)
    close_operations(operations, reason, origin)
    return _cancel(payment, reason, origin)


@retry_on_deadlock
def _cancel(payment: AbstractPayment, reason: str, origin: Origin) -> AbstractPayment:
    with money_transaction():
        current = lock_payment(payment.pk)
        previous = current.status
        write_log(current, LogEvent.GIVEN_UP, origin, reason, {"reason": reason, "status": previous})
        if can_transition(previous, PaymentStatus.CANCELLED):
            current.status, current.message = PaymentStatus.CANCELLED, ""
            current.save(update_fields=["status", "message", "modified"])
            announce_status(current, previous, origin)
    return current
