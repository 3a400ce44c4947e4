"""Bodies that no provider should send: refused, or kept; never an error of ours, never a change."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client

from django_stripe_gateway.gateways.stripe.payments import StripeGateway
from django_stripe_gateway.models import PaymentLog, WebhookEvent
from django_stripe_gateway.webhooks.views import WebhookView
from tests.factories import (
    as_body,
    intent_object,
    make_event,
    make_paid_payment,
    make_payment,
    refund_object,
    session_object,
)
from tests.test_webhooks.support import SECRET, URL, changed, deliver, money_rows, post, row_of

pytestmark = pytest.mark.django_db

LIMIT = 1024 * 1024
NUL_AND_SURROGATE = ("\0", "\ud800", "pi_\0", "\udfff\ud800")

REFUSED = {
    "empty": (b"", "not JSON"),
    "not UTF-8": (b'{"id": "\xff"}', "not UTF-8"),
    "UTF-16": ('{"id": "evt_1"}'.encode("utf-16"), "not UTF-8"),
    "byte order mark": (b'\xef\xbb\xbf{"id": "evt_1"}', "not JSON"),
    "text": (b"hello", "not JSON"),
    "form": (b"id=evt_1&type=payment_intent.succeeded", "not JSON"),
    "truncated": (b'{"id": "evt_1", "type": "payment_int', "not JSON"),
    "two documents": (b"{}{}", "not JSON"),
    "NUL byte": (b'{"id": "evt_1\x00"}', "not JSON"),
    "NaN": (b'{"id": "evt_1", "type": "a", "data": {"object": {"amount": NaN}}}', "not JSON"),
    "infinite": (b'{"id": "evt_1", "type": "a", "data": {"object": {"amount": -Infinity}}}', "not JSON"),
    "100,000 digits": (b'{"id": "evt_1", "amount": ' + b"9" * 100_000 + b"}", "not JSON"),
    "deep list": (b"[" * 100_000, "not JSON"),
    "deep closed list": (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
    "deep object": (b'{"a":' * 100_000, "not JSON"),
    "null": (b"null", "not an event"),
    "number": (b"12", "not an event"),
    "string": (b'"evt_1"', "not an event"),
    "true": (b"true", "not an event"),
    "list": (b'[{"id": "evt_1"}]', "not an event"),
    "empty object": (b"{}", "no id"),
}
for wrong in (None, 1, True, [], {}, "", " ", "evt 1", "evt_\0", "evt_\ud800", "e" * 256, "évt"):
    REFUSED[f"id {wrong!r:.20}"] = (json.dumps({"id": wrong, "type": "a", "data": {"object": {}}}).encode(), "no id")
    event = {"id": "evt_1", "type": wrong, "data": {"object": {}}}
    REFUSED[f"type {wrong!r:.20}"] = (json.dumps(event).encode(), "no type")
for nothing in (None, 1, [], "x", {}, {"object": None}, {"object": []}, {"object": "pi_1"}):
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "object": "event", "data": nothing}
    REFUSED[f"data {nothing}"] = (json.dumps(event).encode(), "about no object")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, caplog: Any) -> None:
    body, reason = REFUSED[name]
    answer = post(body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"type", "code", "detail"}
    assert reason in caplog.text
    assert not WebhookEvent.objects.exists()


def test_refused__too_large(caplog: Any) -> None:
    assert post(b" " * (LIMIT + 1)).status_code == 400
    assert "larger than" in caplog.text
    assert not WebhookEvent.objects.exists()


def test_accepted__as_large_as_allowed() -> None:
    body = as_body(make_event("payment_intent.succeeded", {"object": "payment_intent"}))
    assert post(body + b" " * (LIMIT - len(body))).status_code == 200


def request(body: bytes, length: str | None, **environ: Any) -> WSGIRequest:
    """Return a request whose length is what a liar says."""
    full = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "HTTP_STRIPE_SIGNATURE": "t=1,v1=ab",
    }
    if length is not None:
        full["CONTENT_LENGTH"] = length
    return WSGIRequest(full | environ)


@pytest.mark.parametrize("length", [None, "", "abc", "-1", "0", "3", "1000000", str(LIMIT), str(LIMIT + 1), "9" * 5000])
@pytest.mark.parametrize("size", [0, 10, LIMIT + 10])
def test_content_length_that_lies(length: str | None, size: int) -> None:
    answer = WebhookView.as_view()(request(b"x" * size, length), provider="stripe")
    assert answer.status_code == 400


def test_content_length__not_believed_for_reading() -> None:
    """No more is read than the limit, even where the server hands over an endless stream."""

    class Endless(io.RawIOBase):
        handed_over = 0

        def read(self, size: int = -1) -> bytes:
            assert size >= 0
            Endless.handed_over += size
            return b"x" * size

    endless = request(b"", str(LIMIT))
    endless._stream = Endless()
    answer = WebhookView.as_view()(endless, provider="stripe")
    assert json.loads(answer.content)["code"] == "too_large"
    assert Endless.handed_over == LIMIT + 1


def test_chunked() -> None:
    """Without a length Django's WSGI request has no body: nothing that a signature fits."""
    assert WebhookView.as_view()(
        request(b"5\r\nhello\r\n0\r\n\r\n", None, HTTP_TRANSFER_ENCODING="chunked"), provider="stripe"
    )


def test_client_that_goes_away(caplog: Any) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError("gone")

    answer = WebhookView.as_view()(request(b"", "10", **{"wsgi.input": Broken()}), provider="stripe")
    assert answer.status_code == 400
    assert "could not be read to its end" in caplog.text


def test_strange_headers_are_kept_as_text() -> None:
    event = make_event("customer.created", {"id": "cus_1", "object": "customer"})
    assert deliver(event, HTTP_USER_AGENT="Stripe\0\n" + "x" * 10_000).status_code == 200
    kept = row_of(event).headers
    assert set(kept) == {"User-Agent", "Content-Type"}
    assert "\0" not in kept["User-Agent"]
    assert len(kept["User-Agent"]) <= 255
    assert SECRET not in json.dumps(kept)


# Values of a wrong kind at every place of the objects that are read.

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    1e300,
    10**4000,
    "",
    "x",
    "\0",
    "\ud800",
    "9" * 300,
    [],
    [[]],
    {},
    {"id": 1},
)


def paid_objects() -> dict[str, dict[str, Any]]:
    """Return an object of a paid payment for each kind of event."""
    payment = make_paid_payment()
    refund = refund_object(payment, 300)
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 1000,
        "amount_refunded": 300,
        "currency": "usd",
        "livemode": False,
        "payment_intent": payment.intent_id,
        "metadata": {"token": str(payment.token)},
        "refunds": {"object": "list", "data": [refund], "has_more": False},
    }
    dispute = {
        "id": "du_1",
        "object": "dispute",
        "amount": 1000,
        "currency": "usd",
        "livemode": False,
        "payment_intent": payment.intent_id,
        "reason": "fraudulent",
        "status": "needs_response",
    }
    return {"charge.refunded": charge, "refund.created": refund, "charge.dispute.created": dispute}


def waiting_objects() -> dict[str, dict[str, Any]]:
    """Return an object of a waiting payment for each kind of event."""
    session = session_object(make_payment(), expires_at=1_790_000_000, url="https://pay.test/", customer="cus_1")
    failed = intent_object(make_payment(), "requires_payment_method")
    failed["last_payment_error"] = {"code": "card_declined", "decline_code": "lost_card", "message": "No."}
    return {
        "checkout.session.completed": session,
        "payment_intent.succeeded": intent_object(make_payment(), latest_charge="ch_1"),
        "payment_intent.payment_failed": failed,
    }


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:12])
@pytest.mark.usefixtures("stripe_server")
def test_wrong_values__never_an_error(wrong: Any, monkeypatch: Any) -> None:
    """Each field of each object in turn; the event is kept, and its state says that it was not believed.

    Of an intent that nobody here knows Stripe is asked what it was made for.
    """
    monkeypatch.setattr(StripeGateway, "list_refunds", lambda gateway, ref: [])
    for build in (waiting_objects, paid_objects):
        for event_type, template in build().items():
            for name in [*template, "metadata.token", "last_payment_error.code", "refunds.data"]:
                outer, _, inner = name.partition(".")
                if inner and not isinstance(template.get(outer), dict):
                    continue
                obj = build()[event_type]
                value = {**obj[outer], inner: wrong} if inner else wrong
                event = make_event(event_type, {**obj, outer: value})
                answer = deliver(event)
                assert answer.status_code == 200, (event_type, name, answer.content)
                assert row_of(event).state in ("processed", "unmatched", "mismatched", "ignored")


@pytest.mark.parametrize(
    "name", ["api_version", "created", "livemode", "request", "account", "pending_webhooks", "object"]
)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:12])
def test_wrong_values__of_the_event(wrong: Any, name: str) -> None:
    event = make_event("payment_intent.succeeded", intent_object(make_payment())) | {name: wrong}
    assert deliver(event).status_code == 200


@pytest.mark.parametrize("text", NUL_AND_SURROGATE)
def test_characters_that_databases_refuse(text: str) -> None:
    """As escapes they are JSON: in ids they match nothing, elsewhere they are replaced; the body is kept as it came."""
    payment = make_payment()
    obj = intent_object(payment, "requires_payment_method")
    obj["last_payment_error"] = {"code": text, "decline_code": text, "message": f"Sorry {text}."}
    event = make_event("payment_intent.payment_failed", obj)
    assert deliver(event).json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "error"
    assert payment.message.startswith("Sorry ")
    assert row_of(event).payload == event
    for name in ("id", "payment_intent"):
        strange = changed(event, **{name: text}) | {"id": f"evt_{name}"}
        assert deliver(strange).json()["state"] == "mismatched"
    assert row_of(strange | {"id": "evt_id"}).object_id == ""


def test_characters__emoji_stay() -> None:
    event = make_event("payment_intent.payment_failed", intent_object(make_payment(), "requires_payment_method"))
    event["data"]["object"]["last_payment_error"] = {"code": "c", "message": "\U0001f4b8 é \0"}
    deliver(event)
    log = PaymentLog.objects.get(event="status_changed")
    assert log.payment.message == "\U0001f4b8 é \ufffd"


@pytest.mark.parametrize("depth", [50, 300, 600, 800, 900, 940, 960, 980, 1000])
def test_depth_at_the_limit(depth: int) -> None:
    """What can just be parsed may be too deep for what comes after."""
    nested: Any = "x"
    for _level in range(depth):
        nested = {"a": nested}
    body = json.dumps(nested) if depth < 900 else '{"a":' * depth + '"x"' + "}" * depth
    payment = make_payment()
    obj = json.dumps(session_object(payment, metadata="@", url="@", created="@"))
    event = json.dumps(make_event("checkout.session.completed", {})).replace("{}", obj.replace('"@"', body), 1)
    answer = post(event.encode())
    assert answer.status_code in (200, 400), answer.content
    if answer.status_code == 200:
        assert answer.json()["state"] in ("processed", "mismatched")


@pytest.mark.parametrize("name", ["id", "payment_intent"])
def test_ids_that_are_too_long(name: str) -> None:
    before = make_payment()
    event = make_event("payment_intent.succeeded", intent_object(before, **{name: "pi_" + "x" * 300}))
    rows = money_rows()
    assert deliver(event).json()["state"] == "mismatched"
    assert money_rows() == rows
    assert PaymentLog.objects.get().message == f"{name} is malformed"


def test_refund_id_too_long__in_a_charge() -> None:
    charge = paid_objects()["charge.refunded"]
    charge["refunds"]["data"][0]["id"] = "re_" + "x" * 300
    rows = money_rows()
    assert deliver(make_event("charge.refunded", charge)).json()["state"] == "mismatched"
    assert money_rows() == rows


THIN = {
    "id": "evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0",
    "object": "v2.core.event",
    "type": "v1.billing.meter.error_report_triggered",
    "livemode": False,
    "created": "2024-09-17T06:20:52.246Z",
    "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
}


def test_thin_event() -> None:
    assert deliver(THIN).json()["state"] == "ignored"
    row = row_of(THIN)
    assert (row.object_id, row.livemode, row.occurred.year) == ("mtr_1", False, 2024)


@pytest.mark.parametrize(
    "created", [1700000000, "2023-11-14T22:13:20Z", "2023-11-15T12:13:20+14:00", "2023-11-14T22:13:20"]
)
def test_time__without_time_zones(settings: Any, created: Any) -> None:
    settings.USE_TZ = False
    assert deliver(THIN | {"created": created}).status_code == 200
    # In the time zone of the settings, as Django writes all other moments then.
    zone = ZoneInfo(settings.TIME_ZONE)
    assert row_of(THIN).occurred == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize(
    "created",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", -62135596800, 253402300799],
)
def test_time__at_the_ends_of_the_calendar(settings: Any, created: Any, use_tz: bool) -> None:
    settings.USE_TZ = use_tz
    assert deliver(THIN | {"created": created}).status_code == 200
    assert row_of(THIN).occurred is None


@pytest.mark.parametrize("related", [None, [], "mtr_1", 1, {}])
def test_thin_event__without_a_related_object(related: Any) -> None:
    assert deliver(THIN | {"related_object": related}).json()["state"] == "ignored"


def test_thin_event__of_a_type_that_is_handled() -> None:
    """Nothing is in it that could be believed."""
    payment = make_payment(transaction_id="cs_1")
    thin = THIN | {"type": "checkout.session.completed", "related_object": {"id": "cs_1", "type": "checkout.session"}}
    assert deliver(thin).json()["state"] == "ignored"
    payment.refresh_from_db()
    assert payment.status == "waiting"


def test_another_kind_of_object_than_the_type_says() -> None:
    """A charge has an amount, a status and our metadata too."""
    payment = make_payment()
    rows = money_rows()
    charge = intent_object(payment, id="ch_1", object="charge")
    for event_type in (
        "payment_intent.succeeded",
        "checkout.session.completed",
        "refund.created",
        "charge.dispute.created",
    ):
        assert deliver(make_event(event_type, charge)).json()["state"] == "mismatched"
    intent = intent_object(payment)
    for event_type in ("checkout.session.completed", "charge.refunded"):
        assert deliver(make_event(event_type, intent)).json()["state"] == "mismatched"
    assert money_rows() == rows


def test_unsigned_garbage_is_refused_before_it_is_parsed(caplog: Any) -> None:
    assert post(b"{", secret=None).json()["code"] == "bad_signature"
    assert Client().post(URL, {"id": "evt_1"}).json()["code"] == "bad_signature"
