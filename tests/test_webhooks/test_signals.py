"""Signals: once, after commit, with their documented arguments; a receiver that raises undoes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.dispatch import Signal
from payments import get_payment_model
from payments.signals import status_changed

from django_stripe_gateway import signals
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SIGNALS, SignalRecorder
from tests.factories import intent_object, make_event, make_paid_payment, make_payment, refund_object, session_object
from tests.test_webhooks.support import deliver, in_threads, row_of

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def connected(signal: Signal, receiver: Any) -> Iterator[None]:
    """Connect a receiver for a while."""
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def test_arguments(recorded_signals: SignalRecorder) -> None:
    senders: list[Any] = []

    def remember(sender: Any, **values: Any) -> None:
        senders.append(sender)

    payment = make_payment()
    event = make_event("checkout.session.completed", session_object(payment))
    with connected(signals.payment_confirmed, remember), connected(signals.webhook_received, remember):
        deliver(event)
    assert senders == [WebhookEvent, get_payment_model()]
    assert recorded_signals.sent == [
        ("webhook_received", {"event": row_of(event)}),
        ("payment_confirmed", {"payment": payment}),
        ("webhook_processed", {"event": row_of(event)}),
    ]
    assert recorded_signals.sent[0][1]["event"].state == "processed"
    assert recorded_signals.sent[1][1]["payment"].status == "confirmed"


def test_arguments__authorised_and_captured(recorded_signals: SignalRecorder) -> None:
    payment = make_payment(capture_method="manual")
    deliver(make_event("payment_intent.amount_capturable_updated", intent_object(payment, "requires_capture")))
    payment.refresh_from_db()
    deliver(make_event("payment_intent.succeeded", intent_object(payment, amount_received=600)))
    names = [name for name in recorded_signals.names if not name.startswith("webhook_")]
    assert names == ["payment_preauthorized", "payment_confirmed", "payment_captured"]
    assert recorded_signals.values("payment_captured") == [{"payment": payment, "amount": Decimal(6)}]


def test_arguments__failed(recorded_signals: SignalRecorder) -> None:
    payment = make_payment()
    error = {"code": "card_declined", "decline_code": "lost_card", "message": "Your card was declined."}
    obj = intent_object(payment, "requires_payment_method", last_payment_error=error)
    deliver(make_event("payment_intent.payment_failed", obj))
    assert recorded_signals.values("payment_failed") == [error | {"payment": payment}]


def test_arguments__refunded_and_back(recorded_signals: SignalRecorder) -> None:
    payment = make_paid_payment()
    part, rest = refund_object(payment, 300), refund_object(payment, 700)
    deliver(make_event("refund.created", part))
    deliver(make_event("refund.created", rest))
    deliver(make_event("refund.failed", rest | {"status": "failed", "failure_reason": "lost_or_stolen_card"}))
    refunds = {refund.provider_id: refund for refund in payment.refunds.all()}
    assert recorded_signals.values("payment_refunded") == [
        {"payment": payment, "refund": refunds[part["id"]], "amount": Decimal(3), "is_full": False},
        {"payment": payment, "refund": refunds[rest["id"]], "amount": Decimal(7), "is_full": True},
    ]
    assert recorded_signals.values("refund_failed") == [{"payment": payment, "refund": refunds[rest["id"]]}]
    assert "payment_confirmed" not in recorded_signals.names


def test_sent_after_commit() -> None:
    """A receiver that looks through another connection sees the change."""
    payment = make_payment()
    seen: list[Any] = []

    def look(**values: Any) -> None:
        def read() -> tuple[str, int]:
            return get_payment_model().objects.get(pk=payment.pk).status, WebhookEvent.objects.count()

        seen.extend(in_threads([read], 1))

    with ExitStack() as stack:
        for signal in (signals.payment_confirmed, signals.webhook_received, status_changed):
            stack.enter_context(connected(signal, look))
        deliver(make_event("checkout.session.completed", session_object(payment)))
    assert seen == [("confirmed", 1)] * 3


@pytest.mark.usefixtures("registry")
def test_none_on_rollback(recorded_signals: SignalRecorder) -> None:
    @handles("checkout.session.completed")
    def fail(event: Any) -> None:
        raise ValueError

    statuses: list[Any] = []
    with connected(status_changed, lambda **values: statuses.append(values)):
        deliver(make_event("checkout.session.completed", session_object(make_payment())))
    assert recorded_signals.names == ["webhook_received", "webhook_failed"]
    assert recorded_signals.values("webhook_failed") == [{"event": WebhookEvent.objects.get(), "error": "ValueError: "}]
    assert recorded_signals.values("webhook_received")[0]["event"].state == "failed"
    assert statuses == []


@pytest.mark.parametrize("name", ["webhook_received", "payment_confirmed"])
def test_receiver_that_raises(name: str, recorded_signals: SignalRecorder, caplog: Any) -> None:
    def fail(**values: Any) -> None:
        raise ValueError("the host's mail server is down")

    payment = make_payment()
    event = make_event("checkout.session.completed", session_object(payment))
    with connected(SIGNALS[name], fail):
        assert deliver(event).json()["state"] == "processed"
    payment.refresh_from_db()
    assert (payment.status, row_of(event).state) == ("confirmed", "processed")
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]
    assert "A receiver of a payment signal raised" in caplog.text
    assert deliver(event).status_code == 200
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]


def test_receiver_that_refunds_at_once() -> None:
    """A receiver may open a transaction of its own: the event's is over."""
    from django.db import transaction

    opened: list[int] = []

    def change(payment: Any, **values: Any) -> None:
        with transaction.atomic(durable=True):
            opened.append(payment.pk)

    payment = make_payment()
    with connected(signals.payment_confirmed, change):
        deliver(make_event("checkout.session.completed", session_object(payment)))
    assert opened == [payment.pk]
