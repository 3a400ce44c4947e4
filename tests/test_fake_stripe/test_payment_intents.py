from __future__ import annotations

import pytest
import stripe

from tests.test_fake_stripe.shop import NO_REDIRECTS, Shop, plain


def test_confirm__succeeds(shop: Shop) -> None:
    intent = shop.intent(metadata={"order": "7"})
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 2000)
    charge = shop.v1.charges.retrieve(intent["latest_charge"])
    assert (charge.captured, charge.amount_captured, charge.paid) == (True, 2000, True)
    assert plain(charge.metadata) == {"order": "7"}
    assert shop.types() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_confirm__in_two_steps(shop: Shop) -> None:
    intent = shop.v1.payment_intents.create({"amount": 2000, "currency": "usd", **NO_REDIRECTS})
    assert intent.status == "requires_payment_method"
    assert shop.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert caught.value.code == "payment_intent_unexpected_state"


def test_confirm__needs_return_url_where_redirects_are_possible(shop: Shop) -> None:
    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        shop.v1.payment_intents.create(params)
    assert shop.v1.payment_intents.create({**params, "return_url": "https://shop.example/"}).status == "succeeded"


@pytest.mark.parametrize(
    ("method", "decline_code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
def test_confirm__declined(shop: Shop, method: str, decline_code: str) -> None:
    with pytest.raises(stripe.CardError) as caught:
        shop.intent(method)
    error = caught.value
    assert (error.http_status, error.code, error.error.decline_code) == (402, "card_declined", decline_code)
    assert error.request_id.startswith("req_")
    failed = plain(shop.v1.payment_intents.retrieve(error.error.payment_intent.id))
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["decline_code"] == decline_code
    assert shop.types() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    assert shop.v1.payment_intents.confirm(failed["id"], {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_confirm__authentication(shop: Shop) -> None:
    intent = shop.intent("pm_card_authenticationRequired")
    assert (intent["status"], intent["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    assert intent["client_secret"].startswith(intent["id"] + "_secret_")
    events = shop.fake.customer_authenticates(intent["id"])
    assert [event["type"] for event in events] == ["charge.succeeded", "payment_intent.succeeded"]
    assert shop.v1.payment_intents.retrieve(intent["id"]).status == "succeeded"


def test_confirm__authentication_fails(shop: Shop) -> None:
    intent = shop.intent("pm_card_threeDSecure2Required")
    shop.fake.customer_authenticates(intent["id"], succeeds=False)
    failed = plain(shop.v1.payment_intents.retrieve(intent["id"]))
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"


def test_confirm__authentication_off_session(shop: Shop) -> None:
    with pytest.raises(stripe.CardError) as caught:
        shop.intent("pm_card_authenticationRequired", off_session=True)
    assert caught.value.code == "authentication_required"


def test_capture__partial(shop: Shop) -> None:
    intent = shop.intent(capture_method="manual")
    assert (intent["status"], intent["amount_capturable"], intent["amount_received"]) == ("requires_capture", 2000, 0)
    assert "payment_intent.amount_capturable_updated" in shop.types()
    authorised = shop.fake.get(intent["latest_charge"])
    assert (authorised["captured"], authorised["amount_captured"]) == (False, 0)
    captured = shop.v1.payment_intents.capture(intent["id"], {"amount_to_capture": 1500})
    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 1500, 0)
    assert shop.fake.get(intent["latest_charge"])["amount_captured"] == 1500
    assert shop.types()[-2:] == ["charge.captured", "payment_intent.succeeded"]


def test_capture__too_much(shop: Shop) -> None:
    intent = shop.intent(capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.capture(intent["id"], {"amount_to_capture": 2001})
    assert (caught.value.http_status, caught.value.code) == (400, "amount_too_large")


def test_capture__twice(shop: Shop) -> None:
    intent = shop.intent(capture_method="manual")
    shop.v1.payment_intents.capture(intent["id"])
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.capture(intent["id"])
    assert caught.value.code == "payment_intent_unexpected_state"


def test_cancel__releases_the_authorisation(shop: Shop) -> None:
    intent = shop.intent(capture_method="manual")
    canceled = shop.v1.payment_intents.cancel(intent["id"], {"cancellation_reason": "requested_by_customer"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "requested_by_customer")
    assert shop.types()[-2:] == ["charge.refunded", "payment_intent.canceled"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.cancel(intent["id"])
    assert caught.value.code == "payment_intent_unexpected_state"


def test_settle_intent__bank_debit(shop: Shop) -> None:
    intent = shop.intent("pm_usBankAccount_success")
    assert intent["status"] == "processing"
    shop.fake.settle_intent(intent["id"])
    assert shop.fake.get(intent["id"])["status"] == "succeeded"
    assert len(shop.fake.all("charge")) == 1


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (0, "usd", "parameter_invalid_integer"),
        (100_000_000, "usd", "amount_too_large"),
        (1234, "kwd", None),
        (550, "ugx", None),
        (100, "xxx", None),
    ],
)
def test_create__bad_amount(shop: Shop, amount: int, currency: str, code: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.create({"amount": amount, "currency": currency})
    assert caught.value.code == code
    assert shop.fake.all("payment_intent") == []


def test_list__pages(shop: Shop) -> None:
    ids = [shop.intent()["id"] for _ in range(3)]
    page = shop.v1.payment_intents.list({"limit": 2})
    assert [item.id for item in page.data] == [ids[2], ids[1]]
    assert page.has_more is True
    assert [item.id for item in page.auto_paging_iter()] == ids[::-1]


def test_metadata__limits(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="500 characters"):
        shop.intent(metadata={"note": "x" * 501})


def test_metadata__numeric_keys_and_removal(shop: Shop) -> None:
    intent = shop.intent(metadata={"0": "a", "b": "c"})
    assert intent["metadata"] == {"0": "a", "b": "c"}
    updated = shop.v1.payment_intents.update(intent["id"], {"metadata": {"0": "", "d": "e"}})
    assert plain(updated.metadata) == {"b": "c", "d": "e"}
