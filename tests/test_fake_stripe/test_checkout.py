from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import stripe

from tests.test_fake_stripe.shop import Shop, plain


def test_create__open(shop: Shop) -> None:
    session = shop.session(client_reference_id="42", customer_email="a@shop.example", metadata={"payment": "1"})
    assert session["id"].startswith("cs_test_")
    assert session["url"].startswith(f"{shop.fake.url}/c/pay/{session['id']}")
    assert (session["status"], session["payment_status"], session["payment_intent"]) == ("open", "unpaid", None)
    assert (session["amount_total"], session["currency"], session["client_reference_id"]) == (2000, "usd", "42")
    assert session["metadata"] == {"payment": "1"}
    assert session["expires_at"] - session["created"] == 86400
    assert shop.types() == []


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"line_items": []}, "line_items"),
        ({"success_url": "/relative"}, "success_url"),
        ({"expires_at": int(time.time()) + 60}, "expires_at"),
        ({"customer": "cus_x", "customer_email": "a@shop.example"}, "customer_email"),
    ],
)
def test_create__refused(shop: Shop, params: dict, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.session(**params)
    assert caught.value.param == param


def test_create__adds_the_lines_up(shop: Shop) -> None:
    def line(amount: int, quantity: int) -> dict:
        price = {"currency": "USD", "unit_amount": amount, "product_data": {"name": "T-shirt"}}
        return {"quantity": quantity, "price_data": price}

    session = shop.session(line_items=[line(1050, 3), line(1, 2)])
    assert (session["amount_total"], session["currency"]) == (3152, "usd")


def test_create__ids_are_as_long_as_at_stripe(shop: Shop) -> None:
    session = shop.session()
    assert len(session["id"]) == 66
    assert len(session["url"]) > 350
    assert len(shop.intent()["id"]) == 27


def test_complete__card(shop: Shop) -> None:
    session = shop.session(payment_intent_data={"metadata": {"payment": "1"}})
    events = shop.fake.complete_checkout(session["id"])
    assert [event["type"] for event in events] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    done = shop.v1.checkout.sessions.retrieve(session["id"], {"expand": ["payment_intent.latest_charge"]})
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert plain(done.payment_intent.metadata) == {"payment": "1"}
    assert done.payment_intent.latest_charge.amount == 2000
    assert events[-1]["data"]["object"]["payment_intent"] == done.payment_intent.id


def test_complete__manual_capture(shop: Shop) -> None:
    session = shop.session(payment_intent_data={"capture_method": "manual"})
    shop.fake.complete_checkout(session["id"])
    done = shop.v1.checkout.sessions.retrieve(session["id"])
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    shop.v1.payment_intents.capture(done.payment_intent)
    assert shop.v1.checkout.sessions.retrieve(session["id"]).payment_status == "paid"


@pytest.mark.parametrize(
    ("succeeded", "event_type", "payment_status", "intent_status"),
    [
        (True, "checkout.session.async_payment_succeeded", "paid", "succeeded"),
        (False, "checkout.session.async_payment_failed", "unpaid", "requires_payment_method"),
    ],
)
def test_complete__async(shop: Shop, succeeded: bool, event_type: str, payment_status: str, intent_status: str) -> None:
    session = shop.session()
    completed = shop.fake.complete_checkout(session["id"], "async")[-1]
    assert completed["type"] == "checkout.session.completed"
    assert completed["data"]["object"]["payment_status"] == "unpaid"
    settled = shop.fake.settle_async(session["id"], succeeded)[-1]
    assert (settled["type"], settled["data"]["object"]["payment_status"]) == (event_type, payment_status)
    assert shop.fake.get(settled["data"]["object"]["payment_intent"])["status"] == intent_status


def test_complete__nothing_to_pay(shop: Shop) -> None:
    events = shop.fake.complete_checkout(shop.session(amount=0)["id"])
    assert [event["type"] for event in events] == ["checkout.session.completed"]
    shown = events[0]["data"]["object"]
    assert (shown["payment_status"], shown["payment_intent"]) == ("no_payment_required", None)


def test_complete__declined_then_paid(shop: Shop) -> None:
    session = shop.session()
    events = shop.fake.complete_checkout(session["id"], "pm_card_chargeDeclined")
    assert events[-1]["type"] == "payment_intent.payment_failed"
    assert shop.fake.get(session["id"])["status"] == "open"
    shop.fake.complete_checkout(session["id"])
    assert shop.fake.get(session["id"])["status"] == "complete"
    assert len(shop.fake.all("payment_intent")) == 1


def test_complete__authentication(shop: Shop) -> None:
    session = shop.session()
    shop.fake.complete_checkout(session["id"], "pm_card_authenticationRequired")
    intent = shop.fake.get(session["id"])["payment_intent"]
    assert shop.fake.customer_authenticates(intent)[-1]["type"] == "checkout.session.completed"


def test_complete__only_once(shop: Shop) -> None:
    session = shop.session()
    shop.fake.complete_checkout(session["id"])
    with pytest.raises(ValueError, match="not open"):
        shop.fake.complete_checkout(session["id"])


def test_expire(shop: Shop) -> None:
    session = shop.session()
    expired = shop.v1.checkout.sessions.expire(session["id"])
    assert (expired.status, expired.url) == ("expired", None)
    assert shop.types() == ["checkout.session.expired"]
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        shop.v1.checkout.sessions.expire(session["id"])


def test_expire__complete_session(shop: Shop) -> None:
    session = shop.session()
    shop.fake.complete_checkout(session["id"])
    with pytest.raises(stripe.InvalidRequestError, match="complete"):
        shop.v1.checkout.sessions.expire(session["id"])


def test_list__by_intent_with_line_items(shop: Shop) -> None:
    session = shop.session()
    shop.session()
    shop.fake.complete_checkout(session["id"])
    intent = shop.fake.get(session["id"])["payment_intent"]
    found = shop.v1.checkout.sessions.list({"payment_intent": intent, "expand": ["data.line_items"]})
    assert [item.id for item in found.data] == [session["id"]]
    assert found.data[0].line_items.data[0].description == "T-shirt"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def test_hosted_page(shop: Shop) -> None:
    session = shop.session(cancel_url="https://shop.example/back")
    with urllib.request.urlopen(session["url"]) as response:
        page = response.read().decode()
    for expected in ("$20.00", "T-shirt", "Pay", "https://shop.example/back"):
        assert expected in page
    form = urllib.parse.urlencode({"payment_method": "pm_card_chargeDeclined"}).encode()
    with urllib.request.urlopen(session["url"], form) as response:
        assert "declined" in response.read().decode()
    opener = urllib.request.build_opener(_NoRedirect())
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(session["url"], b"payment_method=card")
    with caught.value as redirect:
        assert redirect.code == 303
        assert redirect.headers["Location"] == f"https://shop.example/ok?s={session['id']}"
    assert shop.fake.get(session["id"])["payment_status"] == "paid"
