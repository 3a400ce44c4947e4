"""Bring a payment's row to what its provider says: the one place where a provider's word becomes our state."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django_stripe_gateway.choices import LogEvent, OperationKind, PaymentStatus
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment, PaymentOperation
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.audit import announce_failure, announce_status, write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import can_transition

TARGETS: Mapping[ProviderStatus, str] = {
    ProviderStatus.OPEN: PaymentStatus.WAITING,
    ProviderStatus.APPROVED: PaymentStatus.WAITING,
    ProviderStatus.REQUIRES_ACTION: PaymentStatus.WAITING,
    ProviderStatus.PROCESSING: PaymentStatus.WAITING,
    ProviderStatus.AUTHORIZED: PaymentStatus.PREAUTH,
    ProviderStatus.SUCCEEDED: PaymentStatus.CONFIRMED,
    ProviderStatus.FAILED: PaymentStatus.ERROR,
    ProviderStatus.REJECTED: PaymentStatus.REJECTED,
    ProviderStatus.CANCELED: PaymentStatus.REJECTED,
}
UNPAID = (ProviderStatus.FAILED, ProviderStatus.REJECTED, ProviderStatus.CANCELED)
#: What a snapshot can change.
WATCHED = "status transaction_id intent_id captured_amount extra_data failure_code decline_code message".split()


def apply_snapshot(
    payment: AbstractPayment,
    snapshot: PaymentSnapshot,
    origin: Origin,
    *,
    operation: PaymentOperation | None = None,
) -> bool:
    """Move the locked ``payment`` to what ``snapshot`` says, as far as the transition table allows.

    Args:
        operation: our own call that brought the snapshot; its objects are the payment's new ones.

    Returns:
        Whether the row changed.

    Raises:
        SnapshotMismatch: amount, currency, live mode or ids contradict the payment.
        SupersededAttempt: the snapshot is about an object of an earlier attempt.
    """
    own = operation is not None
    verify_snapshot(payment, snapshot, own=own)
    before = {name: getattr(payment, name) for name in WATCHED}
    _take_status(payment, snapshot, operation)
    _take_object(payment, snapshot, own=own)
    changed = [name for name, value in before.items() if getattr(payment, name) != value]
    if not changed:
        return False
    payment.save(update_fields=[*changed, "modified"])
    if payment.status != before["status"]:
        announce_status(payment, before["status"], origin)
    elif payment.status == PaymentStatus.ERROR and {"failure_code", "decline_code", "message"} & set(changed):
        announce_failure(payment, origin)
    elif operation is not None:
        is_new = operation.kind == OperationKind.CREATE
        message = "started at the provider" if is_new else f"{operation.kind}: {snapshot.status}"
        ids = {"object_id": snapshot.object_id} | ({"intent_id": snapshot.intent_id} if snapshot.intent_id else {})
        write_log(payment, LogEvent.UPDATED, origin, message, ids)
    # After the payment's own signals: its refund is announced after its confirmation.
    handle_arrivals(*(getattr(payment, name) for name in ("transaction_id", "intent_id") if name in changed))
    return True


def verify_snapshot(payment: AbstractPayment, snapshot: PaymentSnapshot, *, own: bool) -> None:
    """Compare what a provider claims about money with the payment; see ``apply_snapshot`` for what is raised."""
    if snapshot.livemode is not None and snapshot.livemode != payment.livemode:
        raise SnapshotMismatch("live mode differs")
    if not own:
        _verify_ids(payment, snapshot)
    if snapshot.currency and snapshot.currency != payment.currency.upper():
        raise SnapshotMismatch("currency differs")
    if snapshot.amount is not None and snapshot.amount != payment.total:
        raise SnapshotMismatch("amount differs")
    if snapshot.status == ProviderStatus.SUCCEEDED:
        if snapshot.amount is None or not snapshot.currency:
            raise SnapshotMismatch("amount or currency is missing")
        received, total = snapshot.amount_received, payment.total
        if received is None or not (ZERO < received <= total or received == total == ZERO):
            raise SnapshotMismatch("amount received differs")


def _verify_ids(payment: AbstractPayment, snapshot: PaymentSnapshot) -> None:
    """Let no object of a stranger, or of an earlier attempt, change the payment."""
    operations = payment.operations.using(payments_database())
    if snapshot.status in UNPAID and not snapshot.is_session and not payment.intent_id:
        # An unpaid intent may be of another attempt than the one that waits for its intent.
        attempt = snapshot.raw.get("metadata", {}).get("attempt", "")
        latest = operations.filter(kind=OperationKind.CREATE).order_by("-pk").values_list("pk", flat=True).first()
        if attempt and attempt != str(latest):
            raise SupersededAttempt(snapshot.object_id)
    # What holds the money stands in both columns until the page that is paid on is known.
    has_session = bool(payment.transaction_id) and payment.transaction_id != payment.intent_id
    names_session = snapshot.is_session and bool(snapshot.object_id)
    session_differs = has_session and names_session and snapshot.object_id != payment.transaction_id
    intent_differs = bool(snapshot.intent_id and payment.intent_id) and snapshot.intent_id != payment.intent_id
    if not session_differs and not intent_differs:
        return
    foreign = snapshot.object_id if session_differs else snapshot.intent_id
    made_by_us = operations.filter(kind__in=(OperationKind.CREATE, OperationKind.CONFIRM), object_id=foreign).exists()
    if made_by_us and snapshot.status not in (ProviderStatus.SUCCEEDED, ProviderStatus.AUTHORIZED):
        raise SupersededAttempt(foreign)
    raise SnapshotMismatch("session differs" if session_differs else "intent differs")


def _take_status(payment: AbstractPayment, snapshot: PaymentSnapshot, operation: PaymentOperation | None) -> None:
    kind, target = operation.kind if operation else None, TARGETS[snapshot.status]
    if snapshot.status in (ProviderStatus.CANCELED, ProviderStatus.REJECTED):
        # What our own cancellation has ended is cancelled; its event may have overtaken its answer.
        pending = payment.operations.using(payments_database()).pending().filter(kind=OperationKind.CANCEL)
        if kind == OperationKind.CANCEL or (operation is None and pending.exists()):
            target = PaymentStatus.CANCELLED
    # Our own new attempt is what makes a failed payment wait again; an event of an old attempt is not.
    new_attempt = kind in (OperationKind.CREATE, OperationKind.CONFIRM)
    if can_transition(payment.status, target, new_attempt=new_attempt):
        payment.status = target
    elif not (new_attempt and target == payment.status == PaymentStatus.ERROR):
        return
    if target == PaymentStatus.CONFIRMED:
        received = snapshot.amount_received
        payment.captured_amount = payment.total if received is None else received
        # A refund may have been known first.
        if payment.captured_amount and payment.refunded_amount >= payment.captured_amount:
            payment.status = PaymentStatus.REFUNDED
        payment.failure_code = payment.decline_code = payment.message = ""
    elif snapshot.status == ProviderStatus.CANCELED and target == PaymentStatus.REJECTED:
        payment.message = "The payment was cancelled at the provider."
    elif snapshot.status == ProviderStatus.REJECTED and not snapshot.failure:
        payment.message = "The payment expired before it was paid."
    if target in (PaymentStatus.ERROR, PaymentStatus.REJECTED) and snapshot.failure:
        payment.failure_code = snapshot.failure.code[:64]
        payment.decline_code = snapshot.failure.decline_code[:64]
        payment.message = snapshot.failure.message


def _take_object(payment: AbstractPayment, snapshot: PaymentSnapshot, *, own: bool) -> None:
    """Take the ids of the provider's object, and keep it where hosts of django-payments look: ``attrs.session``.

    An intent is kept in ``attrs.intent``. What came too late to move the payment does not replace what did.
    """
    has_session = bool(payment.transaction_id) and payment.transaction_id != payment.intent_id
    # What holds a session's money does not take the session's place; where it was known first, the session replaces it.
    is_part_of_session = has_session and bool(snapshot.intent_id) and snapshot.intent_id == snapshot.object_id
    is_free = not payment.transaction_id or (snapshot.is_session and not has_session)
    if snapshot.object_id and (own or is_free) and not is_part_of_session:
        payment.transaction_id = snapshot.object_id
    if snapshot.intent_id and (own or not payment.intent_id):
        payment.intent_id = snapshot.intent_id
    if not snapshot.raw:
        return
    name = "session" if snapshot.is_session else "intent"
    try:
        data = json.loads(payment.extra_data or "{}")
    except ValueError:
        data = {}
    known = data.get(name)
    is_late = TARGETS[snapshot.status] != payment.status and isinstance(known, dict)
    if is_late and known.get("id") == snapshot.raw.get("id"):
        return
    data[name] = dict(snapshot.raw)
    payment.extra_data = json.dumps(data, sort_keys=True)
