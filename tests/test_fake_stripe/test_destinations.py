"""Destination charges of the fake: the objects in Stripe's shapes, and what is refused."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import connecting, openapi
from tests.test_fake_stripe.shop import Shop, plain


@pytest.fixture
def seller(shop: Shop) -> str:
    account = shop.v1.accounts.create({"capabilities": {"transfers": {"requested": True}}})
    shop.fake.act(account.id, connecting.onboard)
    return str(account.id)


def terms(seller: str, fee: int = 200) -> dict[str, Any]:
    return {"transfer_data": {"destination": seller}, "application_fee_amount": fee}


def test_shapes(shop: Shop, seller: str) -> None:
    intent = shop.intent(**terms(seller), on_behalf_of=seller)
    shop.v1.refunds.create(
        {"payment_intent": intent["id"], "amount": 500, "reverse_transfer": True, "refund_application_fee": True}
    )
    made = [
        plain(one)
        for listed in (shop.v1.transfers.list(), shop.v1.application_fees.list(), shop.v1.refunds.list())
        for one in listed.data
    ]
    nested = [one for obj in made for name in ("reversals", "refunds") for one in obj.get(name, {}).get("data", [])]
    charge = plain(shop.v1.charges.retrieve(intent["latest_charge"]))
    for obj in (*made, *nested, charge, intent):
        jsonschema.Draft202012Validator(openapi.response_schema(obj["object"])).validate(obj)
    kinds = {obj["object"]: obj["amount"] for obj in (*made, *nested)}
    assert kinds == {
        "transfer": 2000,
        "application_fee": 200,
        "refund": 500,
        "transfer_reversal": 500,
        "fee_refund": 50,
    }
    assert {"transfer.created", "application_fee.created", "transfer.reversed", "application_fee.refunded"} <= {
        *shop.types()
    }


def test_captured_in_part(shop: Shop, seller: str) -> None:
    intent = shop.intent(**terms(seller), capture_method="manual")
    assert not shop.fake.all("transfer")
    shop.v1.payment_intents.capture(intent["id"], {"amount_to_capture": 800, "application_fee_amount": 80})
    assert [one["amount"] for one in (*shop.fake.all("transfer"), *shop.fake.all("application_fee"))] == [800, 80]
    assert shop.v1.payment_intents.retrieve(intent["id"]).application_fee_amount == 80


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"transfer_data": {"destination": "acct_nobody"}}, "No such destination"),
        ({"on_behalf_of": "acct_nobody"}, "No such account"),
        ({"application_fee_amount": 1}, "Can only apply an application_fee_amount"),
        ({"transfer_data": {"destination": "seller"}, "application_fee_amount": 2001}, "greater than the amount"),
        ({"transfer_data": {"destination": "seller"}, "application_fee_amount": -1}, "greater than or equal to 0"),
        ({"transfer_data": {"destination": "seller"}, "on_behalf_of": "other"}, "cannot specify an `on_behalf_of`"),
        ({"transfer_data": {"destination": "new"}}, "capabilities enabled"),
    ],
)
def test_refused(shop: Shop, seller: str, params: Any, message: str) -> None:
    new = shop.v1.accounts.create({"capabilities": {"transfers": {"requested": True}}}).id
    accounts = {"seller": seller, "other": new, "new": new}
    asked = dict(params)
    if "transfer_data" in asked:
        named = asked["transfer_data"]["destination"]
        asked["transfer_data"] = {"destination": accounts.get(named, named)}
    if "on_behalf_of" in asked:
        asked["on_behalf_of"] = accounts.get(asked["on_behalf_of"], asked["on_behalf_of"])
    with pytest.raises(stripe.InvalidRequestError, match=message):
        shop.intent(**asked)
    with pytest.raises(stripe.InvalidRequestError, match=message) as caught:
        shop.session(payment_intent_data=asked)
    assert str(caught.value.param).startswith("payment_intent_data[")


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ((), {"reverse_transfer": True}, "no transfer"),
        ((), {"refund_application_fee": True}, "no application fee"),
        (("transfer_data",), {"refund_application_fee": True, "reverse_transfer": True}, "no application fee"),
        (("transfer_data", "application_fee_amount"), {"refund_application_fee": True}, "must also reverse"),
    ],
)
def test_refund__refused(shop: Shop, seller: str, made: Any, asked: Any, message: str) -> None:
    intent = shop.intent(**{name: value for name, value in terms(seller).items() if name in made})
    with pytest.raises(stripe.InvalidRequestError, match=message):
        shop.v1.refunds.create({"payment_intent": intent["id"], **asked})
    assert not shop.fake.all("refund")
