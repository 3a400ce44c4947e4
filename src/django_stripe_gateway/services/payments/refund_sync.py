"""Bring a payment's refunds to what its provider says."""

from __future__ import annotations

from collections.abc import Iterable

from django_stripe_gateway import signals
from django_stripe_gateway.choices import LogEvent, PaymentStatus, RefundStatus, UnexpectedState
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment, Refund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.audit import announce_status, send_on_commit, write_log
from django_stripe_gateway.services.moments import happened_at, moment_of_refund
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.unexpected import find_unexpected, note_given_back
from django_stripe_gateway.services.payments.unnamed_refunds import claim_unnamed
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAID, can_transition, can_transition_refund

# A row's number has at most as many digits; longer ones are not worth parsing.
ID_DIGITS = 19
GONE = (RefundStatus.FAILED, RefundStatus.CANCELED)


class RefundUnclear(SnapshotMismatch):
    """What is known here cannot tell whether a refund is one, or has room: its payment has to be asked about first."""


def in_order(snapshots: Iterable[RefundSnapshot]) -> list[RefundSnapshot]:
    """Return refunds so that those that have failed make room for those that were made in their place."""
    return sorted(snapshots, key=lambda snapshot: snapshot.status not in GONE)


def apply_refund(
    payment: AbstractPayment,
    snapshot: RefundSnapshot,
    origin: Origin,
    *,
    refund: Refund | None = None,
    is_current: bool = True,
) -> Refund | None:
    """Write what the provider says about one refund of the locked ``payment``.

    What was held and never taken is no refund of it, though a provider may show it as one.

    Args:
        refund: our own row, when the snapshot answers our own call. Otherwise it is found by the provider's id or by
            the mark our call left in the metadata; a refund made elsewhere (at the provider's dashboard) gets a row.
        is_current: the row is as the provider has just said; ``False`` where news may have overtaken each other.

    Returns:
        The refund, ``None`` for what was released.

    Raises:
        SnapshotMismatch: the refund is of another payment, or of an amount or currency that cannot be.
        RefundUnclear: the same, as far as the row knows; not if it is current.
    """
    if refund is None and (payment.status not in PAID or snapshot.intent_id != payment.intent_id):
        unexpected = find_unexpected(payment, snapshot.intent_id)
        if unexpected is not None and unexpected.state != UnexpectedState.ACCEPTED:
            note_given_back(unexpected, snapshot)
            return None
    if snapshot.currency != payment.currency.upper():
        raise SnapshotMismatch("currency differs")
    if snapshot.intent_id and payment.intent_id and snapshot.intent_id != payment.intent_id:
        raise SnapshotMismatch("intent differs")
    if not ZERO < snapshot.amount <= payment.total:
        raise SnapshotMismatch("refund amount differs")
    if refund is None and _is_release(payment, snapshot, is_current=is_current):
        _withdraw(payment, snapshot, origin)
        return None
    refund = refund or _find(payment, snapshot)
    _verify_room(payment, snapshot, refund, is_current=is_current)
    if refund is None:
        refund = Refund(payment=payment, status=RefundStatus.PENDING, currency=payment.currency.upper())
        refund.amount = snapshot.amount
        refund.reason = snapshot.reason[:32]
    elif refund.amount != snapshot.amount:
        raise SnapshotMismatch("refund amount differs")
    previous = None if refund._state.adding else refund.status
    happened = moment_of_refund(refund, snapshot)
    changed = refund.provider_id != snapshot.refund_id or previous is None
    # A refund that we gave up without the provider's word is whatever the provider says that it is.
    was_never_answered = refund.provider_id is None and refund.status == RefundStatus.FAILED
    refund.provider_id = snapshot.refund_id
    if was_never_answered or can_transition_refund(refund.status, snapshot.status):
        refund.status = snapshot.status
        refund.failure_reason = snapshot.failure_reason[:64]
        changed = True
    if changed:
        with happened_at(happened):
            _write(payment, refund, previous, origin)
    return refund


def _is_release(payment: AbstractPayment, snapshot: RefundSnapshot, *, is_current: bool) -> bool:
    if payment.status in PAID:
        return snapshot.is_released_of(payment.authorized_amount, payment.captured_amount)
    if snapshot.is_release:
        return True
    if is_current and snapshot.is_release is None:
        # Nothing was taken, as the provider says itself.
        return True
    raise _unclear("a refund of what was not captured", is_current=is_current)


def _withdraw(payment: AbstractPayment, snapshot: RefundSnapshot, origin: Origin) -> None:
    """Let a refund that was written turn out to be none, unless we have asked for it ourselves."""
    rows = Refund.objects.using(payments_database())
    known = rows.filter(payment=payment, provider_id=snapshot.refund_id, operation=None).first()
    if known is not None and can_transition_refund(known.status, RefundStatus.CANCELED):
        previous, known.status = known.status, RefundStatus.CANCELED
        _write(payment, known, previous, origin)


def _verify_room(
    payment: AbstractPayment, snapshot: RefundSnapshot, refund: Refund | None, *, is_current: bool
) -> None:
    """Let no more be refunded than was captured."""
    if snapshot.status != RefundStatus.SUCCEEDED or (refund is not None and refund.status == RefundStatus.SUCCEEDED):
        return
    if payment.refunded_amount + snapshot.amount <= payment.captured_amount:
        return
    others = payment.refunds.using(payments_database()).succeeded()
    others = others if refund is None else others.exclude(pk=refund.pk)
    if sum(others.values_list("amount", flat=True), snapshot.amount) > payment.captured_amount:
        raise _unclear("more is refunded than was captured", is_current=is_current)


def _unclear(reason: str, *, is_current: bool) -> SnapshotMismatch:
    return SnapshotMismatch(reason) if is_current else RefundUnclear(reason)


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
