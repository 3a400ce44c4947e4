"""Bring a payment's row to what its provider says: the one place where a provider's word becomes our state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from django.db.models import Q

from django_stripe_gateway import signals
from django_stripe_gateway.choices import LogEvent, OperationKind, PaymentStatus
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment, PaymentOperation
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.audit import announce_failure, announce_status, send_on_commit, write_log
from django_stripe_gateway.services.moments import happened_at, told_moment
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.breakdown import agreed_amounts, take_amounts
from django_stripe_gateway.services.payments.paid_with import PAID_WITH, take_paid_with
from django_stripe_gateway.services.payments.terms import TERMS, mirror_terms, verify_sellers_fee
from django_stripe_gateway.services.payments.unexpected import (
    ANOTHER_AMOUNT,
    SECOND_TIME,
    TAKEN,
    contradiction,
    note_released,
)
from django_stripe_gateway.services.snapshots import PageDecides, SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import AUTHENTICATION_REQUIRED, PAID, can_transition

TARGETS: Mapping[ProviderStatus, str] = {
    ProviderStatus.OPEN: PaymentStatus.WAITING,
    ProviderStatus.APPROVED: PaymentStatus.WAITING,
    ProviderStatus.REQUIRES_ACTION: PaymentStatus.WAITING,
    ProviderStatus.AUTHENTICATION_REQUIRED: PaymentStatus.WAITING,
    ProviderStatus.PROCESSING: PaymentStatus.WAITING,
    ProviderStatus.AUTHORIZED: PaymentStatus.PREAUTH,
    ProviderStatus.SUCCEEDED: PaymentStatus.CONFIRMED,
    ProviderStatus.FAILED: PaymentStatus.ERROR,
    ProviderStatus.REJECTED: PaymentStatus.REJECTED,
    ProviderStatus.CANCELED: PaymentStatus.REJECTED,
}
UNPAID = (
    ProviderStatus.FAILED,
    ProviderStatus.AUTHENTICATION_REQUIRED,
    ProviderStatus.REJECTED,
    ProviderStatus.CANCELED,
)
#: What begins a payment at its provider.
BEGINNINGS = (OperationKind.CREATE, OperationKind.CHARGE)
# A row's number has at most as many digits; longer ones are not worth parsing.
ID_DIGITS = 19
#: What a snapshot can change.
WATCHED = (
    *"status total tax delivery transaction_id intent_id authorized_amount captured_amount extra_data".split(),
    *"failure_code decline_code message".split(),
    *PAID_WITH,
    *TERMS,
)


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
    if snapshot.status == ProviderStatus.AUTHENTICATION_REQUIRED and not _was_charged(payment):
        # Whoever is there, on the provider's page or the host's, reads of it there, and tries again.
        snapshot = replace(snapshot, status=ProviderStatus.FAILED)
    agreed = agreed_amounts(payment, snapshot, operation)
    verify_snapshot(payment, snapshot, own=own, total=agreed.total)
    before = {name: getattr(payment, name) for name in WATCHED}
    if snapshot.status in TAKEN:
        take_amounts(payment, agreed, snapshot, origin)
    is_making_room = operation is None and _is_making_room(payment, snapshot)
    if not is_making_room:
        _take_status(payment, snapshot, operation)
    _take_object(payment, snapshot, own=own, is_over=is_making_room)
    if snapshot.terms is not None and snapshot.status in TAKEN and TARGETS[snapshot.status] == payment.status:
        # What is not paid yet may be started anew on others; what came too late may not know of a capture's fee.
        mirror_terms(payment, snapshot.terms)
    if snapshot.paid_with is not None:
        # Whenever it comes: of one object's attempts one succeeds, and other objects have been told apart above.
        take_paid_with(payment, snapshot.paid_with, was_paid=before["status"] in PAID)
    changed = [name for name, value in before.items() if getattr(payment, name) != value]
    if not changed:
        return False
    payment.save(update_fields=[*changed, "modified"])
    if payment.status != before["status"]:
        with happened_at(told_moment() or snapshot.charged):
            announce_status(payment, before["status"], origin)
    elif payment.status == PaymentStatus.ERROR and {"failure_code", "decline_code", "message"} & set(changed):
        announce_failure(payment, origin)
    elif operation is not None:
        is_new = operation.kind in BEGINNINGS
        message = "started at the provider" if is_new else f"{operation.kind}: {snapshot.status}"
        ids = {"object_id": snapshot.object_id} | ({"intent_id": snapshot.intent_id} if snapshot.intent_id else {})
        write_log(payment, LogEvent.UPDATED, origin, message, ids)
    if payment.waits_for_authentication and "failure_code" in changed:
        send_on_commit(signals.payment_action_required, type(payment), payment=payment)
    # After the payment's own signals: its refund is announced after its confirmation.
    handle_arrivals(*(getattr(payment, name) for name in ("transaction_id", "intent_id") if name in changed))
    return True


def _was_charged(payment: AbstractPayment) -> bool:
    """Return whether the payment was begun without its customer."""
    return bool(payment.operations.using(payments_database()).filter(kind=OperationKind.CHARGE).exists())


def _is_making_room(payment: AbstractPayment, snapshot: PaymentSnapshot) -> bool:
    """Return whether what has ended was ended for other money, which is being accepted: that says where it stands."""
    if snapshot.status not in (ProviderStatus.CANCELED, ProviderStatus.REJECTED):
        return False
    pending = payment.operations.using(payments_database()).pending()
    return bool(pending.filter(kind=OperationKind.ACCEPT).exists())


def verify_snapshot(payment: AbstractPayment, snapshot: PaymentSnapshot, *, own: bool, total: Decimal) -> None:
    """Compare what a provider claims about money with the payment; see ``apply_snapshot`` for what is raised.

    Args:
        total: what the customer is charged, if it is what the provider says.
    """
    if snapshot.livemode is not None and snapshot.livemode != payment.livemode:
        raise SnapshotMismatch("live mode differs")
    if not own:
        note_released(payment, snapshot)
        _verify_ids(payment, snapshot)
        if snapshot.status in TAKEN:
            verify_sellers_fee(payment, snapshot.terms)
    for name, found, expected in (
        ("currency", snapshot.currency, payment.currency.upper()),
        ("amount", snapshot.amount, total),
    ):
        if found not in ("", None) and found != expected:
            if payment.status in PAID:
                raise SnapshotMismatch(f"{name} differs")
            raise contradiction(payment, snapshot, f"{name} differs", ANOTHER_AMOUNT)
    if snapshot.status == ProviderStatus.SUCCEEDED:
        if snapshot.amount is None or not snapshot.currency:
            raise SnapshotMismatch("amount or currency is missing")
        received = snapshot.amount_received
        if received is None or not (ZERO < received <= total or received == total == ZERO):
            raise SnapshotMismatch("amount received differs")


def _verify_ids(payment: AbstractPayment, snapshot: PaymentSnapshot) -> None:
    """Let no object of a stranger, or of an earlier attempt, change the payment."""
    operations = payment.operations.using(payments_database())
    is_awaited = not (payment.transaction_id if snapshot.is_session else payment.intent_id)
    if snapshot.status in UNPAID and is_awaited:
        # What is unpaid may be of another attempt than the one that waits for it; we may have closed it ourselves.
        attempt = (snapshot.raw.get("metadata") or {}).get("attempt", "")
        latest = operations.filter(kind__in=BEGINNINGS).order_by("-pk").values_list("pk", flat=True).first()
        if attempt and attempt != str(latest):
            raise SupersededAttempt(snapshot.object_id)
    is_first_holder = snapshot.status in TAKEN and not snapshot.is_session and not payment.intent_id
    if is_first_holder and is_of_earlier_page(payment, snapshot):
        raise contradiction(payment, snapshot, "intent differs", SECOND_TIME)
    # What holds the money stands in both columns until the page that is paid on is known.
    if payment.seller_account and payment.transaction_id and not payment.intent_id and not snapshot.is_session:
        # Its seller can let any intent bear the payment's mark, paid without us or by another platform of theirs.
        raise PageDecides("intent differs")
    has_session = bool(payment.transaction_id) and payment.transaction_id != payment.intent_id
    names_session = snapshot.is_session and bool(snapshot.object_id)
    session_differs = has_session and names_session and snapshot.object_id != payment.transaction_id
    intent_differs = bool(snapshot.intent_id and payment.intent_id) and snapshot.intent_id != payment.intent_id
    if not session_differs and not intent_differs:
        return
    foreign = snapshot.object_id if session_differs else snapshot.intent_id
    message = "session differs" if session_differs else "intent differs"
    if not is_of_attempt(payment, snapshot, foreign):
        raise SnapshotMismatch(message)
    if snapshot.status not in TAKEN:
        raise SupersededAttempt(foreign)
    if snapshot.intent_id == payment.intent_id:
        # The same money, and no second.
        raise SnapshotMismatch(message)
    # Somebody may have paid twice.
    raise contradiction(payment, snapshot, message, SECOND_TIME)


def is_of_earlier_page(payment: AbstractPayment, snapshot: PaymentSnapshot) -> bool:
    """Return whether what holds money was made by an earlier page than the one that the payment waits for."""
    marker = _marker(payment, snapshot)
    current = (payment.stored_session.get("metadata") or {}).get("attempt")
    if not marker or not payment.transaction_id or marker == current:
        return False
    attempts = payment.operations.using(payments_database()).filter(kind__in=BEGINNINGS, pk=int(marker))
    return bool(attempts.exclude(object_id__in=("", payment.transaction_id)).exists())


def _marker(payment: AbstractPayment, snapshot: PaymentSnapshot) -> str:
    """Return the number of the operation that has made an object of the payment, empty if it names none."""
    metadata = snapshot.raw.get("metadata") or {}
    marker = metadata.get("attempt", "") if metadata.get("token") == str(payment.token) else ""
    return marker if marker.isascii() and marker.isdecimal() and len(marker) <= ID_DIGITS else ""


def is_of_attempt(payment: AbstractPayment, snapshot: PaymentSnapshot, object_id: str) -> bool:
    """Return whether we have made an object in an attempt at the payment, whichever object is the payment's now.

    Of a page we know the id; what holds its money was made by the page, and carries the mark of its attempt.
    """
    attempts = payment.operations.using(payments_database()).filter(kind__in=(*BEGINNINGS, OperationKind.CONFIRM))
    is_made = Q(object_id=object_id)
    if marker := _marker(payment, snapshot):
        is_made |= Q(pk=int(marker))
    return bool(attempts.filter(is_made).exists())


def _take_status(payment: AbstractPayment, snapshot: PaymentSnapshot, operation: PaymentOperation | None) -> None:
    kind, target = operation.kind if operation else None, TARGETS[snapshot.status]
    if snapshot.status in (ProviderStatus.CANCELED, ProviderStatus.REJECTED):
        # What our own cancellation has ended is cancelled; its event may have overtaken its answer.
        pending = payment.operations.using(payments_database()).pending().filter(kind=OperationKind.CANCEL)
        if kind == OperationKind.CANCEL or (operation is None and pending.exists()):
            target = PaymentStatus.CANCELLED
    # Our own new attempt is what makes a failed payment wait again; an event of an old attempt is not.
    new_attempt = kind in (*BEGINNINGS, OperationKind.CONFIRM)
    if snapshot.status == ProviderStatus.AUTHENTICATION_REQUIRED and payment.status == PaymentStatus.WAITING:
        _note_failure(payment, snapshot)
        return
    if can_transition(payment.status, target, new_attempt=new_attempt):
        payment.status = target
    elif not (new_attempt and target == payment.status == PaymentStatus.ERROR):
        return
    if target in (PaymentStatus.PREAUTH, PaymentStatus.CONFIRMED):
        _take_money(payment, snapshot, is_captured=target == PaymentStatus.CONFIRMED)
    elif snapshot.status == ProviderStatus.CANCELED and target == PaymentStatus.REJECTED:
        payment.message = "The payment was cancelled at the provider."
    elif snapshot.status == ProviderStatus.REJECTED and not snapshot.failure:
        payment.message = "The payment expired before it was paid."
    if target in (PaymentStatus.ERROR, PaymentStatus.REJECTED) and snapshot.failure:
        _note_failure(payment, snapshot)


def _take_money(payment: AbstractPayment, snapshot: PaymentSnapshot, *, is_captured: bool) -> None:
    """Write how much was held or taken, which no failure before it matters for any more."""
    held = payment.total if snapshot.amount is None else snapshot.amount
    if is_captured:
        received = snapshot.amount_received
        payment.captured_amount = payment.total if received is None else received
        # A refund may have been known first.
        if payment.captured_amount and payment.refunded_amount >= payment.captured_amount:
            payment.status = PaymentStatus.REFUNDED
    # What was released of it stays: it says how much there was to take.
    payment.authorized_amount = max(payment.authorized_amount, held, payment.captured_amount)
    if is_captured or payment.failure_code == AUTHENTICATION_REQUIRED:
        payment.failure_code = payment.decline_code = payment.message = ""


def _note_failure(payment: AbstractPayment, snapshot: PaymentSnapshot) -> None:
    if snapshot.failure:
        payment.failure_code = snapshot.failure.code[:64]
        payment.decline_code = snapshot.failure.decline_code[:64]
        payment.message = snapshot.failure.message


def _take_object(payment: AbstractPayment, snapshot: PaymentSnapshot, *, own: bool, is_over: bool) -> None:
    """Take the ids of the provider's object, and keep it where hosts of django-payments look: ``attrs.session``.

    An intent is kept in ``attrs.intent``. What came too late to move the payment does not replace what did; what
    ``is_over`` does, so that nobody is sent there again.
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
    is_late = not is_over and TARGETS[snapshot.status] != payment.status and isinstance(known, dict)
    if is_late and known.get("id") == snapshot.raw.get("id"):
        return
    data[name] = dict(snapshot.raw)
    payment.extra_data = json.dumps(data, sort_keys=True)
