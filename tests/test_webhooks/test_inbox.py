"""Stored once, handled once; what failed is kept and handled again."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from payments import get_payment_model

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import PaymentLog, WebhookEvent
from django_stripe_gateway.webhooks.events import Event, event_of
from django_stripe_gateway.webhooks.inbox.receive import handle_again
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SignalRecorder
from tests.factories import intent_object, make_event, make_payment, session_object
from tests.test_webhooks.support import deliver, row_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registry")]

TYPE = "payment_intent.succeeded"


def fails(times: int, error: Exception, event_type: str = TYPE) -> list[str]:
    """Register a handler that raises so many times; return the list of the ids it was called with."""
    calls: list[str] = []

    @handles(event_type)
    def handle(event: Event) -> None:
        calls.append(event.id)
        if len(calls) <= times:
            raise error

    return calls


def test_duplicates(recorded_signals: SignalRecorder) -> None:
    payment = make_payment()
    event = make_event(TYPE, intent_object(payment))
    assert [deliver(event).json()["state"] for _time in range(4)] == ["processed"] * 4
    assert WebhookEvent.objects.get().attempts == 1
    assert PaymentLog.objects.count() == 1
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]


def test_duplicates__with_another_body() -> None:
    """The first one counts: the provider sends the same bytes for ever."""
    payment = make_payment()
    event = make_event("customer.created", {"id": "cus_1"})
    deliver(event)
    assert deliver(make_event(TYPE, intent_object(payment), id=event["id"])).json()["state"] == "ignored"
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert row_of(event).type == "customer.created"


@pytest.mark.parametrize("event_type", ["customer.created", "no.such.thing", "a", "v1.x[y].z-w"])
def test_unknown_type__is_kept(event_type: str, recorded_signals: SignalRecorder) -> None:
    event = make_event(event_type, {"id": "cus_1", "object": "customer"})
    assert deliver(event).json() == {"received": True, "state": "ignored"}
    assert (row_of(event).object_id, row_of(event).is_settled) == ("cus_1", True)
    assert recorded_signals.names == ["webhook_received"]


@pytest.mark.parametrize(
    ("event_type", "obj", "state"),
    [
        (TYPE, {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1}, "ignored"),
        ("checkout.session.completed", {"id": "cs_1", "object": "checkout.session", "mode": "payment"}, "ignored"),
        ("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": "pi_other"}, "ignored"),
        ("charge.dispute.created", {"id": "du_1", "object": "dispute", "payment_intent": None}, "ignored"),
        # May be early: what they belong to can still appear.
        ("refund.created", {"id": "re_1", "object": "refund", "payment_intent": "pi_other"}, "unmatched"),
        ("customer.updated", {"id": "cus_1", "object": "customer"}, "unmatched"),
    ],
)
def test_unknown_object__is_kept(event_type: str, obj: Any, state: str, recorded_signals: SignalRecorder) -> None:
    make_payment(transaction_id="", intent_id="")
    event = make_event(event_type, obj)
    assert deliver(event).json() == {"received": True, "state": state}
    assert bool(row_of(event).reason) == (obj["object"] != "customer")
    assert WebhookEvent.objects.unmatched().count() == (state == "unmatched")
    assert recorded_signals.names == ["webhook_received"]


@pytest.mark.parametrize(("mode", "state"), [("subscription", "unmatched"), ("setup", "ignored")])
def test_sessions_of_another_mode__are_no_payments(mode: str, state: str) -> None:
    payment = make_payment()
    event = make_event("checkout.session.completed", session_object(payment, mode=mode))
    assert deliver(event).json()["state"] == state
    payment.refresh_from_db()
    assert payment.status == "waiting"


@pytest.mark.parametrize(
    "error", [ValueError("no"), IntegrityError("duplicate"), OperationalError("server closed"), KeyError("amount")]
)
def test_failed_handler(error: Exception, recorded_signals: SignalRecorder, caplog: Any) -> None:
    payment = make_payment()
    event = make_event(TYPE, intent_object(payment))
    calls = fails(2, error)
    answer = deliver(event)
    assert answer.status_code == 500
    assert answer.json() == {"type": "api_error", "code": "event_failed", "detail": "The event will be retried."}
    row = row_of(event)
    assert (row.state, row.attempts, row.processed, row.is_settled) == ("failed", 1, None, False)
    assert row.error == f"{type(error).__name__}: {error}"
    assert list(WebhookEvent.objects.failed()) == [row]
    # Our own handler ran before the one that failed: undone.
    payment.refresh_from_db()
    assert (payment.status, PaymentLog.objects.count()) == ("waiting", 0)
    assert recorded_signals.names == ["webhook_received", "webhook_failed"]
    assert f"{event['id']} ({TYPE}) could not be handled: {type(error).__name__}" in caplog.text

    assert deliver(event).status_code == 500
    assert (row_of(event).state, row_of(event).attempts) == ("failed", 2)

    assert deliver(event).json()["state"] == "processed"
    row = row_of(event)
    assert (row.state, row.attempts, row.error) == ("processed", 3, "")
    payment.refresh_from_db()
    assert (payment.status, PaymentLog.objects.count()) == ("confirmed", 1)
    assert recorded_signals.names[2:] == ["webhook_failed", "payment_confirmed", "webhook_processed"]

    assert deliver(event).json()["state"] == "processed"
    assert len(calls) == 3
    assert row_of(event).attempts == 3


def test_failed_handler__of_the_database(caplog: Any) -> None:
    """What the database quotes of the row that it refused stays out of the log."""
    secret_order = "order of ada@example.com"

    @handles(TYPE)
    def store_twice(event: Event) -> None:
        user = get_payment_model()._meta.get_field("owner").related_model
        for _time in range(2):
            user.objects.create(username=secret_order)

    event = make_event(TYPE, intent_object(make_payment()))
    assert deliver(event).status_code == 500
    assert row_of(event).state == "failed"
    assert row_of(event).error.startswith("IntegrityError: ")
    assert "could not be handled: IntegrityError" in caplog.text
    assert secret_order not in caplog.text


def test_failed_handler__that_caught_the_database_error() -> None:
    """A transaction that is broken is not taken for success."""

    @handles(TYPE)
    def swallow(event: Event) -> None:
        try:
            with transaction.atomic(savepoint=False):
                raise ValueError
        except ValueError:
            pass

    event = make_event(TYPE, intent_object(make_payment()))
    assert deliver(event).status_code == 500
    assert row_of(event).state == "failed"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "x" * 5000], ids=["nul", "surrogate", "long"])
def test_failed_handler__whose_message_no_database_takes(text: str) -> None:
    fails(1, ValueError(text))
    event = make_event(TYPE, intent_object(make_payment()))
    assert deliver(event).status_code == 500
    assert row_of(event).error.startswith("ValueError: ")
    assert deliver(event).status_code == 200


@pytest.mark.parametrize("errno", [1205, 1213])
@pytest.mark.parametrize("victims", [1, 4])
def test_deadlock__is_tried_again(errno: int, victims: int, recorded_signals: SignalRecorder) -> None:
    calls = fails(victims, OperationalError(errno, "Deadlock found when trying to get lock"))
    event = make_event(TYPE, intent_object(make_payment()))
    assert deliver(event).json()["state"] == "processed"
    row = row_of(event)
    assert (row.attempts, row.error, len(calls)) == (1, "", victims + 1)
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]
    assert PaymentLog.objects.count() == 1


def test_deadlock__again_and_again() -> None:
    fails(5, OperationalError(1213, "Deadlock found when trying to get lock"))
    event = make_event(TYPE, intent_object(make_payment()))
    assert deliver(event).status_code == 500
    assert row_of(event).state == "failed"
    assert deliver(event).json()["state"] == "processed"


def test_handle_again__from_the_stored_row() -> None:
    """What a replay needs is in the row."""
    payment = make_payment()
    event = make_event(TYPE, intent_object(payment))
    fails(1, ValueError("no"))
    deliver(event)
    handle_again(event_of(row_of(event)))
    payment.refresh_from_db()
    assert (payment.status, row_of(event).state) == ("confirmed", "processed")


def test_handle_again__purged_meanwhile() -> None:
    """The failure is raised; there is no row to note it on."""

    @handles(TYPE)
    def purge(event: Event) -> None:
        raise ValueError("no")

    event = make_event(TYPE, intent_object(make_payment()))
    deliver(event)
    stored = event_of(row_of(event))
    WebhookEvent.objects.all().delete()
    with pytest.raises(WebhookEvent.DoesNotExist):
        handle_again(stored)


def test_failed__while_another_delivery_succeeded(caplog: Any) -> None:
    """The row of the other one stays as it is."""
    caplog.set_level(logging.INFO)
    event = make_event(TYPE, intent_object(make_payment()))
    calls: list[str] = []

    @handles(TYPE)
    def meet_another(current: Event) -> None:
        if not calls:
            calls.append("first")
            raise LookupError

    from django_stripe_gateway.webhooks.inbox import receive as inbox

    original = inbox.log_failure

    def other_delivery(*args: Any) -> None:
        original(*args)
        inbox.log_failure = original
        assert deliver(event).status_code == 200

    inbox.log_failure = other_delivery
    try:
        assert deliver(event).status_code == 500
    finally:
        inbox.log_failure = original
    assert (row_of(event).state, row_of(event).attempts) == ("processed", 1)
    assert "was stored by another delivery" in caplog.text


def test_body__is_parsed_once(monkeypatch: Any) -> None:
    """And no object of the SDK is built from it."""
    import stripe

    parsed: list[int] = []
    original = json.JSONDecoder.decode

    def decode(self: Any, text: str, *args: Any) -> Any:
        parsed.append(len(text))
        return original(self, text, *args)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a StripeObject was built")

    event = make_event("checkout.session.completed", session_object(make_payment()))
    monkeypatch.setattr(json.JSONDecoder, "decode", decode)
    monkeypatch.setattr(stripe.StripeObject, "__init__", refuse)
    monkeypatch.setattr(stripe.Webhook, "construct_event", refuse)
    answer = deliver(event)
    monkeypatch.undo()
    assert answer.status_code == 200
    # The payment's own record, which is "{}", is read as well.
    assert [size for size in parsed if size > 2] == [len(json.dumps(event, indent=2))]


def test_state__of_an_event_that_nobody_handles() -> None:
    assert deliver(make_event("a.b", {"id": "x"})).json()["state"] == WebhookState.IGNORED
