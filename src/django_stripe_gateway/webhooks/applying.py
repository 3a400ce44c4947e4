"""Find and lock the payment that an event is about, and turn a contradiction into a state of the event."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from payments import get_payment_model

from django_stripe_gateway import signals
from django_stripe_gateway.choices import LogEvent, WebhookState
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.accounts import share_account
from django_stripe_gateway.gateways.base import ProviderStatus
from django_stripe_gateway.gateways.stripe_objects import object_id, payment_snapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.journal import send_on_commit, write_log
from django_stripe_gateway.services.sync import SnapshotMismatch, SupersededAttempt, apply_snapshot
from django_stripe_gateway.services.transactions import lock_payment, payments_database
from django_stripe_gateway.webhooks.events import Event

logger = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class PaymentChange:
    """The locked payment of an event, ``None`` when there is none, and what became of the event."""

    payment: AbstractPayment | None
    state: WebhookState


def apply_payment_event(event: Event, *, rejected: bool = False) -> WebhookState:
    """Bring the payment to the state of the session or intent in ``event``.

    Args:
        rejected: the event's type says that the object failed for good, which the object itself does not.
    """
    with changing_payment(event) as change:
        if change.payment is not None:
            snapshot = payment_snapshot(event.object)
            if rejected:
                snapshot = dataclasses.replace(snapshot, status=ProviderStatus.REJECTED)
            apply_snapshot(change.payment, snapshot, event.origin)
    return change.state


@contextmanager
def changing_payment(event: Event) -> Iterator[PaymentChange]:
    """Lock the event's payment for a change; what contradicts the payment changes nothing, and is told."""
    payment = find_payment(event.object)
    change = PaymentChange(payment, WebhookState.PROCESSED if payment else WebhookState.UNMATCHED)
    try:
        if payment is not None:
            _verify_delivery(event, payment)
        yield change
    except SupersededAttempt:
        logger.info("The event %s is about an earlier attempt at its payment.", event.id)
    except (SnapshotMismatch, ProviderError) as error:
        change.state = WebhookState.MISMATCHED
        if payment is not None:
            _tell_mismatch(event, payment, str(error))


def find_payment(obj: Mapping[str, Any]) -> AbstractPayment | None:
    """Return the payment that a provider's object belongs to, locked, or ``None``.

    By the token, which only our own calls write; else by the provider's ids. An id alone, such as another system's
    ``metadata.payment_id`` on a shared account, never matches. One indexed column a query: an OR over several would
    make MariaDB lock every row that it reads.
    """
    metadata = obj.get("metadata")
    token = metadata.get("token") if isinstance(metadata, Mapping) else None
    if obj.get("object") == "checkout.session":
        token = token or obj.get("client_reference_id")
    intent_id = object_id(obj.get("payment_intent"))
    if obj.get("object") == "payment_intent":
        intent_id = object_id(obj)
    session_id = object_id(obj) if obj.get("object") == "checkout.session" else ""
    payments = get_payment_model()._default_manager.using(payments_database())
    if isinstance(token, str) and token:
        payment: AbstractPayment | None = payments.select_for_update().filter(token=token[:36]).first()
        if payment is not None:
            return payment
    for column, value in (("intent_id", intent_id), ("transaction_id", session_id)):
        pk = payments.filter(**{column: value}).values_list("pk", flat=True).first() if value else None
        if pk is not None:
            return lock_payment(pk)
    return None


def _verify_delivery(event: Event, payment: AbstractPayment) -> None:
    if event.livemode is not None and event.livemode != payment.livemode:
        raise SnapshotMismatch("live mode differs")
    if not share_account(event.account, payment.variant):
        raise SnapshotMismatch("account differs")


def _tell_mismatch(event: Event, payment: AbstractPayment, reason: str) -> None:
    logger.error("The event %s contradicts payment %s: %s.", event.id, payment.pk, reason)
    # The instance may hold values that were set before the contradiction was found.
    payment.refresh_from_db()
    write_log(payment, LogEvent.MISMATCH, event.origin, reason, {"type": event.type})
    send_on_commit(
        signals.payment_mismatch, type(payment), payment=payment, event_id=event.id, reason=reason
    )
