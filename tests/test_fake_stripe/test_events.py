from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import jsonschema
import pytest
import stripe

from tests.fake_stripe import FakeStripe, openapi
from tests.test_fake_stripe.shop import Shop, plain

SECRET = "whsec_test"


def test_signature(shop: Shop) -> None:
    shop.intent()
    event = shop.fake.events()[-1]
    body = shop.fake.body(event)
    header = shop.fake.sign(body, SECRET)
    parsed = stripe.Webhook.construct_event(body, header, SECRET)
    assert (parsed.id, parsed.type) == (event["id"], "payment_intent.succeeded")
    assert json.loads(body) == event
    for wrong_body, wrong_header in ((body + b" ", header), (body, shop.fake.sign(body, "whsec_other"))):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(wrong_body.decode(), wrong_header, SECRET, tolerance=300)
    old = shop.fake.sign(body, SECRET, timestamp=1_000_000)
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.WebhookSignature.verify_header(body.decode(), old, SECRET, tolerance=300)


def test_retrieve_and_list(shop: Shop) -> None:
    shop.intent()
    event = shop.fake.events("charge.succeeded")[0]
    assert shop.v1.events.retrieve(event["id"]).data.object["amount"] == 2000
    assert [item.type for item in shop.v1.events.list({"type": "payment_intent.*"}).data] == [
        "payment_intent.succeeded",
        "payment_intent.created",
    ]


def test_payload_does_not_change_later(shop: Shop) -> None:
    intent = shop.intent()
    shop.v1.refunds.create({"payment_intent": intent["id"]})
    assert shop.fake.events("charge.succeeded")[0]["data"]["object"]["amount_refunded"] == 0


def test_generation__legacy(shop: Shop) -> None:
    shop.fake.generation = "legacy"
    intent = shop.intent()
    shop.v1.refunds.create({"payment_intent": intent["id"]})
    succeeded = shop.fake.events("payment_intent.succeeded")[0]
    assert succeeded["api_version"] == "2017-08-15"
    assert succeeded["data"]["object"]["charges"]["data"][0]["id"] == intent["latest_charge"]
    assert "latest_charge" not in succeeded["data"]["object"]
    refunded = shop.fake.events("charge.refunded")[0]["data"]["object"]
    assert [item["amount"] for item in refunded["refunds"]["data"]] == [2000]
    assert "charges" not in shop.v1.payment_intents.retrieve(intent["id"])  # answers follow Stripe-Version
    old = shop.client(stripe_version="2017-08-15").v1.payment_intents.retrieve(intent["id"])
    assert old.charges.data[0].refunds.data[0].amount == 2000
    shop.fake.response_generation = "legacy"
    assert "charges" in shop.v1.payment_intents.retrieve(intent["id"])
    with pytest.raises(ValueError, match="legacy"):
        shop.fake.generation = "future"


def test_generation__current(shop: Shop) -> None:
    intent = shop.intent()
    shop.v1.refunds.create({"payment_intent": intent["id"]})
    event = shop.fake.events("charge.refunded")[0]
    assert event["api_version"] == "2026-10-28.endive"
    assert "refunds" not in event["data"]["object"]
    charge = shop.v1.charges.retrieve(intent["latest_charge"], {"expand": ["refunds"]})
    assert charge.refunds.data[0].amount == 2000


def test_objects_satisfy_stripes_schemas(shop: Shop) -> None:
    """Everything rendered, in every state that the fake can bring about, fits Stripe's description."""
    fake = shop.fake
    for kind in ("card", "async", "pm_card_chargeDeclined"):
        session = shop.session(customer_email="a@shop.example", payment_intent_data={"metadata": {"a": "b"}})
        fake.complete_checkout(session["id"], kind)
    fake.expire_session(session["id"])
    shop.intent("pm_card_authenticationRequired")
    shop.intent("pm_card_authenticationRequired", return_url="https://shop.example/")
    manual = shop.intent(capture_method="manual")
    shop.v1.payment_intents.capture(manual["id"], {"amount_to_capture": 100})
    refund = shop.v1.refunds.create({"payment_intent": shop.intent()["id"], "amount": 5})
    fake.fail_refund(refund.id)
    dispute = fake.dispute(shop.intent()["id"])[0]["data"]["object"]
    fake.close_dispute(dispute["id"], won=True)
    validated = set()
    for event in fake.events():
        shown = event["data"]["object"]
        for name, instance in ((shown["object"], shown), ("event", event)):
            jsonschema.Draft202012Validator(openapi.response_schema(name)).validate(instance)
            validated.add(name)
    item = plain(shop.v1.checkout.sessions.line_items.list(session["id"]))["data"][0]
    jsonschema.Draft202012Validator(openapi.response_schema("item")).validate(item)
    assert validated == {"charge", "checkout.session", "dispute", "event", "payment_intent", "refund"}


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook endpoint that answers as it is set."""

    seen: list[tuple[dict, str]]
    statuses: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((json.loads(body), self.headers["Stripe-Signature"]))
        stripe.WebhookSignature.verify_header(body.decode(), self.headers["Stripe-Signature"], SECRET, 300)
        self.send_response(self.statuses.pop(0) if self.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("OneReceiver", (Receiver,), {"seen": [], "statuses": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_deliver__in_the_background(shop: Shop, receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    handler.statuses = [500]
    shop.fake.deliver_to(url, SECRET)
    intent = shop.intent()
    shop.fake.dashboard_refund(intent["id"], deliver=False)
    assert shop.fake.flush_deliveries()
    assert [event["type"] for event, _ in handler.seen] == ["payment_intent.created", *shop.types()[:3]]
    assert [delivery.status for delivery in shop.fake.deliveries] == [500, 200, 200, 200]


def test_deliver__one(shop: Shop, receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    shop.intent()
    event = shop.fake.events()[0]
    assert shop.fake.deliver(event, url, SECRET).status == 200
    assert handler.seen[0][0] == event
    assert shop.fake.deliver(event, "http://127.0.0.1:9/", SECRET).status is None


def test_ids__differ_between_instances(fake_stripe: FakeStripe) -> None:
    with FakeStripe() as other:
        assert {fake_stripe.state.new_id("pi_")} & {other.state.new_id("pi_")} == set()
