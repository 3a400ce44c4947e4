"""The events of the localstripe process: old shapes, unsigned, sparse."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.create import create_payment
from tests.conftest import SignalRecorder
from tests.test_webhooks.support import money_rows, post, row_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.localstripe]


class Inbox:
    """What localstripe has delivered."""

    def __init__(self) -> None:
        self.bodies: list[tuple[bytes, str]] = []
        self.arrived = threading.Condition()

    def wait_for(self, event_type: str, object_id: str) -> bytes:
        """Return the body of an event, once it has come."""

        def found() -> list[bytes]:
            events = [(body, json.loads(body)) for body, _signature in self.bodies]
            return [b for b, e in events if e["type"] == event_type and e["data"]["object"]["id"] == object_id]

        with self.arrived:
            assert self.arrived.wait_for(found, 10), [json.loads(body)["type"] for body, _s in self.bodies]
            return found()[0]


@pytest.fixture
def inbox(localstripe: str) -> Iterator[Inbox]:
    """Register a webhook with localstripe."""
    inbox = Inbox()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with inbox.arrived:
                inbox.bodies.append((body, self.headers.get("Stripe-Signature", "")))
                inbox.arrived.notify_all()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    registered = requests.post(
        f"{localstripe}/_config/webhooks/test", json={"url": url, "secret": "whsec_local"}, timeout=10
    )
    assert registered.ok, registered.text
    yield inbox
    server.shutdown()
    thread.join()
    server.server_close()


def ids_in(body: bytes) -> list[str]:
    """Return everything that an event's body may name a payment by."""
    named = json.loads(body)["data"]["object"]
    return [named[name] for name in ("id", "payment_intent") if isinstance(named.get(name), str)]


def pay(**fields: Any) -> Any:
    """Return a payment as the development path makes it: confirmed at once."""
    return create_payment(owner=None, gateway="stripe", amount=Decimal("10.00"), currency="USD", **fields)


def test_confirmed_already(inbox: Inbox) -> None:
    payment = pay()
    assert payment.status == "confirmed"
    body = inbox.wait_for("payment_intent.succeeded", payment.intent_id)
    before = money_rows()
    assert post(body, secret=None).json()["state"] == "processed"
    assert money_rows() == before
    assert row_of(json.loads(body)).api_version == "2017-08-15"


def test_confirms(inbox: Inbox, recorded_signals: SignalRecorder) -> None:
    """The event alone brings the payment to its end."""
    payment = pay()
    type(payment).objects.filter(pk=payment.pk).update(status="waiting", captured_amount=0)
    assert post(inbox.wait_for("payment_intent.succeeded", payment.intent_id), secret=None).status_code == 200
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
    assert recorded_signals.names.count("payment_confirmed") == 2


def test_signed(inbox: Inbox, settings: Any) -> None:
    """A secret that is set on both sides is checked, and right."""
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = "whsec_local"
    payment = pay()
    body = inbox.wait_for("payment_intent.succeeded", payment.intent_id)
    signature = next(signature for found, signature in inbox.bodies if found == body)
    assert post(body, secret=None, HTTP_STRIPE_SIGNATURE=signature).json()["state"] == "processed"
    assert post(body, secret=None).status_code == 400


def test_partial_capture(inbox: Inbox) -> None:
    payment = pay(capture_method="manual")
    assert payment.status == "preauth"
    payment = capture_payment(payment=payment, amount=Decimal("6.00"))
    body = inbox.wait_for("payment_intent.succeeded", payment.intent_id)
    before = money_rows()
    assert post(body, secret=None).json()["state"] == "processed"
    assert money_rows() == before
    assert payment.captured_amount == 6


def test_everything_it_sends_is_kept(inbox: Inbox) -> None:
    """No event of a payment's life is refused or fails; of a cancellation localstripe sends none."""
    cancelled = cancel_payment(payment=pay(capture_method="manual"))
    paid = pay()
    inbox.wait_for("payment_intent.succeeded", paid.intent_id)
    # The process is shared: what it had still to say of an earlier test's payments is nobody's here.
    sent = [body for body, _signature in inbox.bodies if {cancelled.intent_id, paid.intent_id} & set(ids_in(body))]
    assert sent
    for body in sent:
        answer = post(body, secret=None)
        assert answer.status_code == 200, body
        assert answer.json()["state"] in ("processed", "ignored")
    cancelled.refresh_from_db()
    assert cancelled.status == "cancelled"
