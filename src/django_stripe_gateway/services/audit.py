"""The audit trail and the signals: both written where a change is made, both effective when it is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.db import transaction
from django.dispatch import Signal

from django_stripe_gateway import signals
from django_stripe_gateway.choices import CaptureMethod, LogEvent, PaymentStatus
from django_stripe_gateway.models import AbstractPayment, PaymentLog, Subscription, SubscriptionLog
from django_stripe_gateway.models.payments import status_changed
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAID

logger = logging.getLogger(__name__)

Writer = Callable[..., None]
W = TypeVar("W", bound=Writer)

_writers: dict[Signal, list[Writer]] = {}
_is_history: ContextVar[bool] = ContextVar("is_history", default=False)


def write_log(
    subject: AbstractPayment | Subscription,
    event: str,
    origin: Origin,
    message: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Add a line to the audit trail of a payment or a subscription."""
    table: type[PaymentLog | SubscriptionLog] = PaymentLog
    column = "payment"
    if isinstance(subject, Subscription):
        table, column = SubscriptionLog, "subscription"
    table.objects.using(payments_database()).create(
        **{column: subject},
        event=event,
        source=origin.source,
        actor=origin.actor,
        event_id=origin.event_id,
        message=message[:255],
        data=data or {},
    )


@contextmanager
def without_signals() -> Iterator[None]:
    """Announce nothing that is written inside: it is history, which happened before this site knew of it.

    Leave it before the transaction ends, so that events which have waited for a row are announced as any other.
    """
    token = _is_history.set(True)
    try:
        yield
    finally:
        _is_history.reset(token)


def is_history() -> bool:
    """Return whether what is written at this moment happened before this site knew of it."""
    return _is_history.get()


def writes_with(signal: Signal) -> Callable[[W], W]:
    """Register a function of this app's that writes something in the very transaction that ``signal`` follows.

    It is called with the signal's arguments. What it raises undoes the change: it calls nothing of a host's.
    """

    def register(writer: W) -> W:
        _writers.setdefault(signal, []).append(writer)
        return writer

    return register


def send_on_commit(
    signal: Signal, sender: type, *, topic: str = "payment", using: str | None = None, **kwargs: Any
) -> None:
    """Send ``signal`` after the transaction; receivers that raise are logged.

    Args:
        topic: what the log says that it is about.
        using: the transaction's database, by default that of payments.
    """
    if is_history():
        return

    def send() -> None:
        for receiver, answer in signal.send_robust(sender=sender, **kwargs):
            if isinstance(answer, Exception):
                logger.error("A receiver of a %s signal raised: %r", topic, receiver, exc_info=answer)

    transaction.on_commit(send, using=using or payments_database(), robust=True)
    for write in _writers.get(signal, ()):
        write(**kwargs)


def announce_status(payment: AbstractPayment, previous: str, origin: Origin) -> None:
    """Log the payment's move from ``previous`` and notify receivers."""
    data: dict[str, Any] = {"from": previous, "to": payment.status}
    if payment.captured_amount:
        data["captured_amount"] = format_amount(payment.captured_amount, payment.currency)
    if payment.status in (PaymentStatus.ERROR, PaymentStatus.REJECTED) and payment.failure_code:
        data |= {"code": payment.failure_code, "decline_code": payment.decline_code}
    reason = f" ({data['decline_code'] or data['code']})" if "code" in data else ""
    write_log(payment, LogEvent.STATUS_CHANGED, origin, f"{previous} -> {payment.status}{reason}", data)
    sender = type(payment)
    send_on_commit(status_changed, sender, instance=payment)
    if payment.status in PAID and previous not in PAID:
        # Also if it is refunded: its refund may have been known before the payment itself.
        send_on_commit(signals.payment_confirmed, sender, payment=payment)
        if payment.capture_method == CaptureMethod.MANUAL:
            send_on_commit(signals.payment_captured, sender, payment=payment, amount=payment.captured_amount)
    elif payment.status == PaymentStatus.PREAUTH:
        send_on_commit(signals.payment_preauthorized, sender, payment=payment)
    elif payment.status == PaymentStatus.CANCELLED:
        send_on_commit(signals.payment_cancelled, sender, payment=payment)
    elif payment.status in (PaymentStatus.ERROR, PaymentStatus.REJECTED):
        _send_failed(payment)


def announce_failure(payment: AbstractPayment, origin: Origin) -> None:
    """Log and announce that another attempt at a payment has failed, which leaves it as it was."""
    data = {"code": payment.failure_code, "decline_code": payment.decline_code}
    write_log(payment, LogEvent.UPDATED, origin, payment.message or payment.failure_code, data)
    _send_failed(payment)


def _send_failed(payment: AbstractPayment) -> None:
    send_on_commit(
        signals.payment_failed,
        type(payment),
        payment=payment,
        code=payment.failure_code,
        decline_code=payment.decline_code,
        message=payment.message,
    )
