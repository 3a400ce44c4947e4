"""Bring a payment's refunds to what its provider says."""

from __future__ import annotations

from django_stripe_gateway import signals
from django_stripe_gateway.choices import LogEvent, PaymentStatus, RefundStatus
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment, Refund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.audit import announce_status, send_on_commit, write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.unnamed_refunds import claim_unnamed
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import can_transition, can_transition_refund

# A row's number has at most as many digits; longer ones are not worth parsing.
ID_DIGITS = 19
GONE = (RefundStatus.FAILED, RefundStatus.CANCELED)


def apply_refund(
    payment: AbstractPayment, snapshot: RefundSnapshot, origin: Origin, *, refund: Refund | None = None
) -> Refund:
    """Write what the provider says about one refund of the locked ``payment``.

    Args:
        refund: our own row, when the snapshot answers our own call. Otherwise it is found by the provider's id or by
            the mark our call left in the metadata; a refund made elsewhere (at the provider's dashboard) gets a row.

    Raises:
        SnapshotMismatch: the refund is of another payment, or of an amount or currency that cannot be.
    """
    if snapshot.currency != payment.currency.upper():
        raise SnapshotMismatch("currency differs")
    if snapshot.intent_id and payment.intent_id and snapshot.intent_id != payment.intent_id:
        raise SnapshotMismatch("intent differs")
    if not ZERO < snapshot.amount <= payment.total:
        raise SnapshotMismatch("refund amount differs")
    refund = refund or _find(payment, snapshot)
    if refund is None:
        refund = Refund(payment=payment, status=RefundStatus.PENDING, currency=payment.currency.upper())
        refund.amount = snapshot.amount
        refund.reason = snapshot.reason[:32]
    elif refund.amount != snapshot.amount:
        raise SnapshotMismatch("refund amount differs")
    previous = None if refund._state.adding else refund.status
    changed = refund.provider_id != snapshot.refund_id or previous is None
    # A refund that we gave up without the provider's word is whatever the provider says that it is.
    was_never_answered = refund.provider_id is None and refund.status == RefundStatus.FAILED
    refund.provider_id = snapshot.refund_id
    if was_never_answered or can_transition_refund(refund.status, snapshot.status):
        refund.status = snapshot.status
        refund.failure_reason = snapshot.failure_reason[:64]
        changed = True
    if changed:
        _write(payment, refund, previous, origin)
    return refund


def fail_refund(payment: AbstractPayment, refund: Refund, reason: str, origin: Origin) -> None:
    """Write that the provider refused a refund that we had asked for."""
    previous = refund.status
    if not can_transition_refund(previous, RefundStatus.FAILED):
        return
    refund.status = RefundStatus.FAILED
    refund.failure_reason = reason[:64]
    _write(payment, refund, previous, origin)


def _write(payment: AbstractPayment, refund: Refund, previous: str | None, origin: Origin) -> None:
    """Save a refund that was ``previous`` before, log it, let its payment agree, and announce it."""
    refund.save(using=payments_database())
    amount = format_amount(refund.amount, payment.currency)
    event = LogEvent.REFUND_CREATED if previous is None else LogEvent.REFUND_UPDATED
    data = {"refund_id": refund.provider_id, "amount": amount, "status": refund.status}
    write_log(payment, event, origin, f"refund {refund.status}", data)
    _settle_payment(payment, origin)
    if refund.status == previous:
        return
    sender = type(payment)
    if refund.is_succeeded:
        is_full = payment.status == PaymentStatus.REFUNDED
        send_on_commit(
            signals.payment_refunded, sender, payment=payment, refund=refund, amount=refund.amount, is_full=is_full
        )
    elif refund.status in GONE:
        send_on_commit(signals.refund_failed, sender, payment=payment, refund=refund)


def _settle_payment(payment: AbstractPayment, origin: Origin) -> None:
    """Make the payment's refunded amount and status agree with its refunds."""
    succeeded = payment.refunds.using(payments_database()).succeeded().values_list("amount", flat=True)
    refunded = sum(succeeded, ZERO)
    previous = payment.status
    is_full = ZERO < payment.captured_amount <= refunded
    target = PaymentStatus.REFUNDED if is_full else PaymentStatus.CONFIRMED
    if payment.captured_amount and can_transition(previous, target, refund_reversed=not is_full):
        payment.status = target
    if refunded == payment.refunded_amount and payment.status == previous:
        return
    payment.refunded_amount = refunded
    payment.save(update_fields=["refunded_amount", "status", "modified"])
    if payment.status != previous:
        announce_status(payment, previous, origin)


def _find(payment: AbstractPayment, snapshot: RefundSnapshot) -> Refund | None:
    refunds = Refund.objects.using(payments_database())
    known = refunds.filter(provider_id=snapshot.refund_id).first()
    if known is not None and known.payment_id != payment.pk:
        raise SnapshotMismatch("the refund is another payment's")
    marker = snapshot.metadata.get("operation", "")
    if known is None and marker.isdecimal() and len(marker) <= ID_DIGITS:
        # The event has overtaken the answer to our own call.
        known = refunds.filter(payment=payment, operation_id=int(marker), provider_id=None).first()
    return known or claim_unnamed(payment, snapshot)
