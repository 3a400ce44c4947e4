"""Find and lock the payment that an event is about, and turn a contradiction into a state of the event."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from payments import get_payment_model

from django_stripe_gateway import signals
from django_stripe_gateway.choices import CaptureMethod, LogEvent, WebhookState
from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.base import Failure, PaymentRef, PaymentSnapshot, ProviderStatus
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.payment_objects import object_id, payment_snapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import lock_payment, payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import FetchNeeded
from django_stripe_gateway.webhooks.stripe.verification import may_speak_for

logger = logging.getLogger(__name__)

TOKEN_LENGTH = 36


def apply_payment_event(event: Event, kind: str, *, failure: Failure | None = None) -> WebhookState:
    """Bring the payment to the state of the session or intent in ``event``.

    Args:
        kind: the object that events of this type are about.
        failure: the event's type says that the object failed for good, which the object itself does not.
    """

    def apply(payment: AbstractPayment) -> None:
        snapshot = payment_snapshot(event.object)
        if failure is not None:
            snapshot = dataclasses.replace(snapshot, status=ProviderStatus.REJECTED, failure=failure)
        elif event.fetched is not None:
            snapshot = event.fetched
        elif _hides_authorization(payment, snapshot):
            raise FetchNeeded(lambda: _look_up(payment, snapshot))
        apply_snapshot(payment, snapshot, event.origin)

    return change_payment(event, kind, apply)


def _hides_authorization(payment: AbstractPayment, snapshot: PaymentSnapshot) -> bool:
    """Return whether a completed session may stand for an authorisation: like a slow bank debit it says "unpaid"."""
    is_open_question = snapshot.kind == "checkout.session" and snapshot.status == ProviderStatus.PROCESSING
    return is_open_question and payment.capture_method == CaptureMethod.MANUAL and payment.is_payable


def _look_up(payment: AbstractPayment, snapshot: PaymentSnapshot) -> PaymentSnapshot:
    """Ask for the session with its intent; what the provider does not tell stays an open question."""
    ref = PaymentRef(snapshot.object_id, snapshot.intent_id, payment.currency)
    try:
        return get_gateway(payment.variant).retrieve_payment(ref)
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        logger.warning("The session of payment %s could not be looked up: %s", payment.pk, error.code)
        return snapshot


def change_payment(event: Event, kind: str, change: Callable[[AbstractPayment], object]) -> WebhookState:
    """Lock the event's payment and change it; what contradicts the payment changes nothing, and is told.

    Args:
        kind: the object that events of this type are about.
        change: called with the locked payment; raises ``SnapshotMismatch`` before it has changed anything.
    """

    def verify_and_change(payment: AbstractPayment) -> None:
        _verify_delivery(event, kind, payment)
        change(payment)

    return change_found(event, find_payment(event.object), verify_and_change)


def change_found(
    event: Event, payment: AbstractPayment | None, change: Callable[[AbstractPayment], object]
) -> WebhookState:
    """Change a locked payment, or none; see ``change_payment``."""
    if payment is None:
        return WebhookState.UNMATCHED
    try:
        change(payment)
    except SupersededAttempt:
        logger.info("The event %s is about an earlier attempt at its payment.", event.id)
    except (SnapshotMismatch, ProviderError) as error:
        _tell_mismatch(event, payment, str(error))
        return WebhookState.MISMATCHED
    except RecursionError:
        _tell_mismatch(event, payment, "nested too deeply")
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED


def find_payment(obj: Mapping[str, Any]) -> AbstractPayment | None:
    """Return the payment that a provider's object belongs to, locked, or ``None``.

    By the token, which only our own calls write; else by the provider's ids. An id of ours alone, such as another
    system's ``metadata.payment_id`` on a shared account, never matches. One indexed column a query: an OR over several
    would make MariaDB lock every row that it reads.
    """
    payments = get_payment_model()._default_manager.using(payments_database())
    token = _token(obj)
    if token:
        payment: AbstractPayment | None = payments.select_for_update().filter(token=token).first()
        if payment is not None:
            return payment
    own_id, kind = clean_id(obj.get("id")), obj.get("object")
    intent_id = own_id if kind == "payment_intent" else clean_id(object_id(obj.get("payment_intent")))
    session_id = own_id if kind == "checkout.session" else ""
    for column, value in (("intent_id", intent_id), ("transaction_id", session_id)):
        pk = payments.filter(**{column: value}).values_list("pk", flat=True).first() if value else None
        if pk is not None:
            return lock_payment(pk)
    return None


def _token(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata")
    token = clean_id(metadata.get("token")) if isinstance(metadata, Mapping) else ""
    if not token and obj.get("object") == "checkout.session":
        token = clean_id(obj.get("client_reference_id"))
    return token if len(token) <= TOKEN_LENGTH else ""


def _verify_delivery(event: Event, kind: str, payment: AbstractPayment) -> None:
    if event.object.get("object") != kind:
        raise SnapshotMismatch(f"the event is not about a {kind}")
    for name in ("id", "payment_intent"):
        value = event.object.get(name)
        if value is not None and not clean_id(object_id(value)):
            raise SnapshotMismatch(f"{name} is malformed")
    for livemode in (event.livemode, event.object.get("livemode")):
        if livemode is not None and livemode != payment.livemode:
            raise SnapshotMismatch("live mode differs")
    if not may_speak_for(event.account, payment.variant):
        raise SnapshotMismatch("account differs")


def _tell_mismatch(event: Event, payment: AbstractPayment, reason: str) -> None:
    logger.error("The event %s contradicts payment %s: %s.", event.id, payment.pk, reason)
    # The instance may hold values that were set before the contradiction was found.
    payment.refresh_from_db()
    write_log(payment, LogEvent.MISMATCH, event.origin, reason, {"type": event.type})
    send_on_commit(signals.payment_mismatch, type(payment), payment=payment, event_id=event.id, reason=reason)
