"""Thin events of Stripe's API v2: signed like all others, kept once, handled with what is fetched."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import stripe

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.events import StripeEvents
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import FetchNeeded, handles
from tests.conftest import SignalRecorder
from tests.factories import as_body, make_payment
from tests.fake_stripe.events import signature_header
from tests.fake_stripe.server import FakeStripe
from tests.test_fake_stripe.shop import Shop as Sdk
from tests.test_webhooks.support import SECRET, deliver, money_rows, post, row_of

pytestmark = pytest.mark.django_db(transaction=True)

METER_ERROR = "v1.billing.meter.error_report_triggered"
# As https://docs.stripe.com/api/v2/core/events shows them, and as event destinations deliver them.
REPORT: dict[str, Any] = {
    "id": "evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0",
    "object": "v2.core.event",
    "type": METER_ERROR,
    "livemode": False,
    "created": "2024-09-17T06:20:52.246Z",
    "context": None,
    "reason": {"type": "request", "request": {"id": "req_1", "idempotency_key": "key-1"}},
    "related_object": {
        "id": "mtr_test_61R9IeP0SgKbYROOx41PEAQhH0qO23oW",
        "type": "billing.meter",
        "url": "/v1/billing/meters/mtr_test_61R9IeP0SgKbYROOx41PEAQhH0qO23oW",
    },
}
NO_METER = {name: value for name, value in REPORT.items() if name != "related_object"} | {
    "id": "evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW1",
    "type": "v1.billing.meter.no_meter_found",
}
PING = REPORT | {
    "id": "evt_test_65QpvHKUcUJuCZqXc4F16Pp7TX8USQxOrNnwAUNRKuPW9Y",
    "type": "v2.core.event_destination.ping",
    "related_object": {
        "id": "ed_test_61QpvHKUcUJuCZqXc16Pp7TX8",
        "type": "v2.core.event_destination",
        "url": "/v2/core/event_destinations/ed_test_61QpvHKUcUJuCZqXc16Pp7TX8",
    },
}
# Balances and the like have no id.
SINGLETON = REPORT | {
    "id": "evt_test_singleton",
    "type": "v2.money_management.balance.updated",
    "related_object": {"type": "v2.money_management.balance", "url": "/v2/money_management/balance"},
}


@pytest.mark.parametrize("event", [REPORT, NO_METER, PING, SINGLETON], ids=lambda event: event["type"])
def test_kept_as_ignored__when_nobody_handles_the_type(event: dict[str, Any], recorded_signals: SignalRecorder) -> None:
    for _delivery in range(3):
        answer = deliver(event)
        assert (answer.status_code, answer.json()) == (200, {"received": True, "state": "ignored"})
    row = WebhookEvent.objects.get()
    assert (row.provider, row.variant, row.event_id, row.type) == ("stripe", "stripe", event["id"], event["type"])
    assert (row.attempts, row.livemode, row.payload) == (1, False, event)
    assert row.occurred is not None
    assert row.occurred.isoformat() == "2024-09-17T06:20:52.246000+00:00"
    assert row.object_id == (event.get("related_object") or {}).get("id", "")
    assert recorded_signals.names == ["webhook_received"]


def test_the_sdk_accepts_the_same_delivery() -> None:
    """Our signature of a thin event is Stripe's: the SDK's own parser takes what we take."""
    if not hasattr(stripe.StripeClient, "parse_event_notification"):
        pytest.skip("this SDK calls it otherwise")
    body = as_body(REPORT)
    header = signature_header(body, SECRET, int(time.time()))
    notification: Any = stripe.StripeClient("sk_test_fake").parse_event_notification(body, header, SECRET)
    assert notification.id == REPORT["id"]
    assert post(body, secret=None, HTTP_STRIPE_SIGNATURE=header).status_code == 200


@pytest.mark.parametrize("options", [{"secret": None}, {"secret": "whsec_x"}, {"timestamp": 1_700_000_000}])
def test_refused__forged_or_stale(options: dict[str, Any]) -> None:
    assert deliver(REPORT, **options).status_code == 400
    assert not WebhookEvent.objects.exists()


@pytest.mark.usefixtures("registry")
def test_handled(recorded_signals: SignalRecorder) -> None:
    """Without fetching: the handler sees the related object, and the event's own facts."""
    seen: list[Event] = []
    handles(METER_ERROR)(seen.append)
    assert [deliver(REPORT).json()["state"] for _delivery in range(2)] == ["processed", "processed"]
    assert len(seen) == 1
    event = seen[0]
    assert (event.id, event.type, event.variant, event.livemode) == (REPORT["id"], METER_ERROR, "stripe", False)
    assert dict(event.object) == REPORT["related_object"]
    assert event.context == ""
    assert recorded_signals.names == ["webhook_received", "webhook_processed"]


@pytest.mark.usefixtures("registry")
def test_handled__with_what_is_fetched(stripe_server: FakeStripe) -> None:
    """The handler asks for the related object; the call is made outside of the transaction, once."""
    intent = Sdk(stripe_server).intent()
    url = f"/v1/payment_intents/{intent['id']}"
    thin = REPORT | {"related_object": {"id": intent["id"], "type": "payment_intent", "url": url}}
    fetched: list[Any] = []

    @handles(METER_ERROR)
    def handle(event: Event) -> None:
        if event.fetched is None:
            events = StripeEvents(stripe_account(event.variant))
            raise FetchNeeded(lambda: events.related_object(event.object, context=event.context))
        fetched.append(event.fetched)

    stripe_server.forget_requests()
    assert [deliver(thin).json()["state"] for _delivery in range(2)] == ["processed", "processed"]
    assert [(obj["object"], obj["id"], obj["amount"]) for obj in fetched] == [("payment_intent", intent["id"], 2000)]
    assert [(record.method, record.path) for record in stripe_server.requests] == [("GET", url)]
    assert row_of(thin).attempts == 1


@pytest.mark.usefixtures("registry")
def test_handled__what_is_fetched_does_not_come(stripe_server: FakeStripe) -> None:
    """Stripe is silent: the event is kept as failed, and its next delivery fetches again."""
    intent = Sdk(stripe_server).intent()
    url = f"/v1/payment_intents/{intent['id']}"
    thin = REPORT | {"related_object": {"id": intent["id"], "type": "payment_intent", "url": url}}

    @handles(METER_ERROR)
    def handle(event: Event) -> None:
        if event.fetched is None:
            raise FetchNeeded(lambda: StripeEvents(stripe_account(event.variant)).related_object(event.object))

    stripe_server.fault("GET", url, kind="reset_before")
    assert deliver(thin).status_code == 500
    assert row_of(thin).state == "failed"
    assert deliver(thin).json()["state"] == "processed"
    assert row_of(thin).attempts == 2


@pytest.mark.parametrize(
    "url",
    [
        None,
        1,
        "",
        "/v3/x",
        "https://evil.test/v1/x",
        "//evil.test/v1/",
        "/v1/../_config",
        "@evil.test/v1/",
        "v1/charges",
        "/v1/charges?expand[]=x\r\nX: y",
        "/v1/charges/ch_1#x",
    ],
)
def test_related_object__asks_nobody_else(stripe_server: FakeStripe, url: Any) -> None:
    """The key goes to paths of Stripe's API only, whatever an event names."""
    events = StripeEvents(stripe_account("stripe"))
    with pytest.raises(ProviderError, match="names no object"):
        events.related_object({"url": url})
    assert stripe_server.requests == []


def test_related_object__of_another_account(stripe_server: FakeStripe) -> None:
    sdk = Sdk(stripe_server)
    ours, account = sdk.intent(), sdk.v1.accounts.create({"country": "DE"}).id
    theirs = sdk.v1.payment_intents.create({"amount": 100, "currency": "usd"}, {"stripe_account": account})
    stripe_server.forget_requests()
    events, path = StripeEvents(stripe_account("stripe")), "/v1/payment_intents/"
    assert events.related_object({"url": path + theirs.id}, context=account)["id"] == theirs.id
    assert events.related_object({"url": path + ours["id"]})["id"] == ours["id"]
    assert [request.stripe_context for request in stripe_server.requests] == [account, None]


HALF_FORMED: dict[str, dict[str, Any]] = {
    "no context, no reason": {"context": ..., "reason": ...},
    "strange context": {"context": {"a": [1]}},
    "context with a NUL": {"context": "acct_\0"},
    "strange reason": {"reason": "because"},
    "no livemode": {"livemode": ...},
    "livemode as text": {"livemode": "false"},
    "no time": {"created": ...},
    "time that is none": {"created": "yesterday"},
    "related object without an id": {"related_object": {"type": "billing.meter"}},
    "related object with an id that is none": {"related_object": {"id": ["mtr_1"], "url": 1}},
    "related object is a list": {"related_object": [{"id": "mtr_1"}]},
    "related object is an id": {"related_object": "mtr_1"},
    "data beside it": {"data": {"developer_message_summary": "There is 1 invalid event"}},
    "data of a strange kind": {"data": [1]},
    "no object, but a related one": {"object": ...},
    "object of another version": {"object": "v2.core.event.v9"},
}


@pytest.mark.parametrize("name", HALF_FORMED)
def test_half_formed__is_kept(name: str) -> None:
    changed = {key: value for key, value in (REPORT | HALF_FORMED[name]).items() if value is not ...}
    before = money_rows()
    assert deliver(changed).json() == {"received": True, "state": "ignored"}
    assert deliver(changed).status_code == 200
    assert json.loads(WebhookEvent.objects.get().body) == changed
    assert money_rows() == before


@pytest.mark.parametrize(
    "changes", [{"id": ...}, {"id": None}, {"type": ...}, {"type": 1}, {"object": "event", "related_object": None}]
)
def test_half_formed__is_refused(changes: dict[str, Any]) -> None:
    changed = {key: value for key, value in (REPORT | changes).items() if value is not ...}
    assert deliver(changed).status_code == 400
    assert not WebhookEvent.objects.exists()


def test_does_not_speak_about_money() -> None:
    """A thin event of a payment's type, with a payment's ids and metadata in it, is not believed."""
    payment = make_payment(transaction_id="cs_1", intent_id="pi_1")
    before = money_rows()
    for number, (event_type, kind, object_id) in enumerate(
        [
            ("payment_intent.succeeded", "payment_intent", "pi_1"),
            ("checkout.session.completed", "checkout.session", "cs_1"),
            ("charge.refunded", "charge", "ch_1"),
            ("refund.created", "refund", "re_1"),
        ]
    ):
        related = {"id": object_id, "type": kind, "object": kind, "status": "succeeded", "payment_status": "paid"}
        related |= {"metadata": {"token": str(payment.token)}}
        thin = REPORT | {"id": f"evt_{number}", "type": event_type, "related_object": related}
        answer = deliver(thin)
        assert answer.status_code == 200
        assert answer.json()["state"] in ("unmatched", "mismatched"), event_type
    assert money_rows() == before
