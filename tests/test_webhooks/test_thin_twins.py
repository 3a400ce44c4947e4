"""Thin events of objects of API v1: what their twins do, they do, with what is fetched."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SignalRecorder
from tests.fake_stripe.server import FakeStripe
from tests.test_fake_stripe.shop import Shop as Sdk
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver, deliver_all, money_rows, only, row_of

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = {
    "checkout.session": "/v1/checkout/sessions",
    "payment_intent": "/v1/payment_intents",
    "charge": "/v1/charges",
    "refund": "/v1/refunds",
    "dispute": "/v1/disputes",
    "invoice_payment": "/v1/invoice_payments",
}


def thin(event: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the thin form of an event."""
    obj = event["data"]["object"]
    url = f"{PATHS.get(obj['object'], '/v1/' + obj['object'] + 's')}/{obj['id']}"
    return {
        "id": f"thin_{event['id']}",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": datetime.fromtimestamp(event["created"] + 0.25, UTC).isoformat().replace("+00:00", "Z"),
        "livemode": event["livemode"],
        "context": None,
        "related_object": {"id": obj["id"], "type": obj["object"], "url": url},
    } | fields


def test_payment__by_thin_events_alone(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    events = shop.fake.complete_checkout(payment.transaction_id)
    assert set(deliver_all(map(thin, events))) <= {"processed", "ignored"}
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
    refund = shop.fake.dashboard_refund(payment.intent_id, 300)
    assert "unmatched" not in deliver_all(map(thin, refund))
    payment.refresh_from_db()
    assert payment.refunded_amount == 3
    deliver_all(map(thin, shop.fake.dispute(payment.intent_id)))
    payment.refresh_from_db()
    assert payment.fraud_status == "review"
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert recorded_signals.names.count("payment_refunded") == 1


@pytest.mark.parametrize("order", ["snapshot first", "thin first"])
@pytest.mark.parametrize("names_it", [True, False])
@pytest.mark.usefixtures("registry")
def test_both_forms(shop: Shop, recorded_signals: SignalRecorder, order: str, names_it: bool) -> None:
    """Two destinations: one effect and one signal; where the thin one names the other, one event."""
    seen: list[str] = []
    handles("checkout.session.completed")(lambda event: seen.append(event.object["id"]))
    payment = shop.payment()
    (event,) = only(shop.fake.complete_checkout(payment.transaction_id), "checkout.session.completed")
    twin = thin(event, **({"snapshot_event": event["id"]} if names_it else {}))
    assert deliver_all([event, twin] if order == "snapshot first" else [twin, event]) == ["processed"] * 2
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert len(seen) == (1 if names_it else 2)


def test_failed_later__says_the_type(shop: Shop) -> None:
    """The session says no more than that it is unpaid."""
    payment = shop.payment()
    deliver_all(map(thin, shop.fake.complete_checkout(payment.transaction_id, "async")))
    late = only(
        shop.fake.settle_async(payment.transaction_id, succeeded=False), "checkout.session.async_payment_failed"
    )
    assert deliver_all(map(thin, late)) == ["processed"]
    payment.refresh_from_db()
    assert payment.status == "rejected"


def test_stale__what_is_fetched_is_believed(shop: Shop) -> None:
    """A failure of an attempt, and by the time that it arrives the payment is made."""
    payment = shop.payment()
    declined = shop.fake.complete_checkout(payment.transaction_id, "pm_card_chargeDeclined")
    shop.fake.complete_checkout(payment.transaction_id)
    assert set(deliver_all(map(thin, only(declined, "payment_intent.payment_failed")))) == {"processed"}
    payment.refresh_from_db()
    assert payment.status == "confirmed"


@pytest.mark.parametrize("kind", ["reset_before", "error_500_before"])
def test_fetch_fails__is_handled_when_it_comes_again(shop: Shop, kind: Any) -> None:
    payment = shop.payment()
    (event,) = map(thin, only(shop.fake.complete_checkout(payment.transaction_id), "checkout.session.completed"))
    shop.fake.fault("GET", f"/v1/checkout/sessions/{payment.transaction_id}", kind=kind)
    assert deliver(event).status_code == 500
    assert row_of(event).state == "failed"
    assert deliver(event).json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "confirmed"


LIES: dict[str, dict[str, Any]] = {
    "another kind": {"type": "payment_intent", "url": "/v1/payment_intents/{id}"},
    "another kind's address": {"url": "/v1/payment_intents/{id}"},
    "another object's address": {"url": "/v1/checkout/sessions/cs_other"},
    "more of a path": {"url": "/v1/checkout/sessions/{id}/line_items"},
    "a way up": {"url": "/v1/checkout/../checkout/sessions/{id}"},
    "a question": {"url": "/v1/checkout/sessions/{id}?expand[]=x"},
    "another host": {"url": "https://evil.test/v1/checkout/sessions/{id}"},
    "no address": {"url": None},
    "no id": {"id": None},
    "another id": {"id": "cs_other"},
    "no kind": {"type": ["checkout.session"]},
}


@pytest.mark.parametrize("name", LIES)
def test_lies__are_refused_and_nobody_is_asked(shop: Shop, name: str) -> None:
    payment = shop.payment()
    (event,) = map(thin, only(shop.fake.complete_checkout(payment.transaction_id), "checkout.session.completed"))
    lie = {key: value and str(value).format(id=payment.transaction_id) for key, value in LIES[name].items()}
    before = money_rows()
    shop.fake.forget_requests()
    event["related_object"] |= lie if name != "no kind" else LIES[name]
    assert deliver(event).json()["state"] == "mismatched"
    assert row_of(event).reason
    assert (shop.fake.requests, money_rows()) == ([], before)


@pytest.mark.usefixtures("registry")
def test_hosts_handlers(stripe_server: FakeStripe) -> None:
    """They are given the object, of kinds that this app knows nothing of, too."""
    seen: list[Event] = []
    handles("setup_intent.created")(seen.append)
    setup = Sdk(stripe_server).v1.setup_intents.create({})
    event = thin(
        {"id": "evt_1", "type": "setup_intent.created", "created": 1_790_000_000, "livemode": False}
        | {"data": {"object": {"id": setup.id, "object": "setup_intent"}}}
    )
    assert deliver(event).json()["state"] == "processed"
    assert (seen[0].type, seen[0].object["status"]) == ("setup_intent.created", "requires_payment_method")
    assert seen[0].looked_up is not None


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(("verb", "state"), [("deleted", "processed"), ("updated", "ignored")])
def test_object_that_is_gone(stripe_server: FakeStripe, verb: str, state: str) -> None:
    seen: list[Any] = []
    handles("customer.deleted", "customer.updated")(lambda event: seen.append(event.object.get("deleted")))
    v1 = Sdk(stripe_server).v1
    customer = v1.customers.create({})
    v1.customers.delete(customer.id)
    event = thin(
        {"id": "evt_1", "type": f"customer.{verb}", "created": 1_790_000_000, "livemode": False}
        | {"data": {"object": {"id": customer.id, "object": "customer"}}}
    )
    assert deliver(event).json()["state"] == ("unmatched" if state == "processed" else state)
    assert seen == ([True] if state == "processed" else [])


def test_nobody_handles_it__the_log_says_how(caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    related = {"id": "po_1", "type": "payout", "url": "/v1/payouts/po_1"}
    event = {"id": "evt_1", "object": "v2.core.event", "type": "v1.payout.paid", "related_object": related}
    assert deliver(event).json()["state"] == "ignored"
    assert 'handles("payout.paid")' in caplog.text
    assert row_of(event).reason == "nobody handles its type"


def test_moments(shop: Shop) -> None:
    """A thin event's time is more exact than its twin's."""
    payment = shop.payment()
    (event,) = only(shop.fake.complete_checkout(payment.transaction_id), "checkout.session.completed")
    twin = thin(event)
    deliver_all([event, twin])
    first, second = row_of(event).occurred, row_of(twin).occurred
    assert first is not None
    assert second is not None
    assert timedelta(0) < second - first < timedelta(seconds=1)
