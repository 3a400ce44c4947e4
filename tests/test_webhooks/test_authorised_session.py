"""A session that completes with an authorisation says "unpaid", like one that waits for a bank."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.testing import deliver_event
from tests.fake_stripe.server import FakeStripe

pytestmark = pytest.mark.django_db(transaction=True)


def completed(stripe_server: FakeStripe, user: Any, **fields: Any) -> tuple[Any, Any]:
    """Return a payment whose customer has finished, and the session's event."""
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal(10), currency="USD", **fields)
    events = stripe_server.complete_checkout(payment.transaction_id)
    return payment, next(event for event in events if event["type"] == "checkout.session.completed")


def test_manual_capture__the_session_alone_is_enough(stripe_server: FakeStripe, user: Any, client: Any) -> None:
    payment, event = completed(stripe_server, user, capture_method="manual")
    assert deliver_event(client, event, secret="whsec_test").json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "preauth"
    assert payment.intent_id


def test_manual_capture__stripe_is_silent(stripe_server: FakeStripe, user: Any, client: Any) -> None:
    payment, event = completed(stripe_server, user, capture_method="manual")
    stripe_server.fault("GET", "/v1/checkout/sessions/*", kind="error_500_before")
    assert deliver_event(client, event, secret="whsec_test").status_code == 500
    assert deliver_event(client, event, secret="whsec_test").json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "preauth"


def test_manual_capture__refused_look_up(stripe_server: FakeStripe, user: Any, client: Any) -> None:
    payment, event = completed(stripe_server, user, capture_method="manual")
    stripe_server.act(payment.transaction_id, lambda scope, session: scope.objects["checkout.session"].clear())
    assert deliver_event(client, event, secret="whsec_test").json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "waiting"


def test_automatic_capture__is_not_looked_up(stripe_server: FakeStripe, user: Any, client: Any) -> None:
    _payment, event = completed(stripe_server, user)
    stripe_server.forget_requests()
    assert deliver_event(client, event, secret="whsec_test").json()["state"] == "processed"
    assert stripe_server.requests == []


def test_kind_of_object_is_known_by_its_type(stripe_server: FakeStripe, user: Any, client: Any) -> None:
    payment, event = completed(stripe_server, user)
    del event["data"]["object"]["object"]
    assert deliver_event(client, event, secret="whsec_test").json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "confirmed"
