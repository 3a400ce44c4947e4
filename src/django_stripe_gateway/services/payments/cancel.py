"""Cancel a payment that is not paid, or release what was authorised."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.choices import OperationKind, PaymentStatus
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.audit import announce_status
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.line import PaymentClaim, SnapshotVerb
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.transactions import lock_payment, money_transaction, retry_on_deadlock


class CancelVerb(SnapshotVerb):
    """Cancel a waiting payment, or release an authorised one."""

    kind = OperationKind.CANCEL
    done = frozenset({ProviderStatus.CANCELED, ProviderStatus.REJECTED})

    def check(self, claim: PaymentClaim) -> None:
        """Let nothing be cancelled that is paid or over."""
        if not claim.subject.is_cancellable:
            raise WrongState(f"A payment that is {claim.subject.status} cannot be cancelled.")
        if claim.subject.is_preauthorized and not claim.params["may_release"]:
            raise WrongState("This payment has been authorised meanwhile; only the seller releases it.")
        if not claim.subject.transaction_id:
            # What was to begin it has not happened, and was given up.
            _cancel(claim.subject, claim.origin)
            claim.is_answered = True

    def call(self, claim: PaymentClaim) -> PaymentSnapshot:
        """Close what the customer could still pay on, or release the authorisation."""
        snapshot: PaymentSnapshot = claim.gateway.cancel_payment(payment_ref(claim.subject), idempotency_key=claim.key)
        return snapshot


CANCEL = register(CancelVerb())


def cancel_payment(
    *,
    payment: AbstractPayment,
    may_release: bool = True,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Cancel a waiting payment, or release an authorised one.

    Args:
        may_release: ``False`` leaves what is authorised, be it a moment ago.

    Raises:
        WrongState: the payment is paid or over, or authorised and not to be released.
        ProviderError: the provider refused or failed.
    """
    if not payment.transaction_id:
        cancelled = _cancel_unstarted(payment.pk, origin, is_repeat=idempotency_key is not None)
        if cancelled is not None:
            return cancelled
    key = scoped_request_key(idempotency_key, "cancel", payment.pk)
    request = Request({"may_release": may_release}, key=key)
    released: AbstractPayment = run(CANCEL, payment.pk, request, origin).subject
    return released


@retry_on_deadlock
def _cancel_unstarted(payment_pk: Any, origin: Origin, *, is_repeat: bool) -> AbstractPayment | None:
    """Cancel a payment that nothing was made for at the provider; ``None`` if something was, or may have been.

    Args:
        is_repeat: the caller may be asking again for what is done; no operation was needed that would show it.
    """
    with money_transaction():
        payment = lock_payment(payment_pk)
        if payment.transaction_id or CANCEL.operations(payment_pk).pending().exists():
            return None
        if payment.status == PaymentStatus.CANCELLED and is_repeat:
            return payment
        if not payment.is_cancellable:
            return None
        _cancel(payment, origin)
    return payment


def _cancel(payment: AbstractPayment, origin: Origin) -> None:
    previous, payment.status = payment.status, PaymentStatus.CANCELLED
    payment.save(update_fields=["status", "modified"])
    announce_status(payment, previous, origin)
