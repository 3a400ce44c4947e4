"""A platform acts for the accounts that are connected to it, each with its objects, idempotency keys and events."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.fake_stripe import connecting
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.test_fake_stripe.shop import Shop

INTENT: Any = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True} | {
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}
}


@pytest.fixture
def sellers(shop: Shop) -> list[str]:
    """Return the ids of two accounts of one platform."""
    controller: Any = {"stripe_dashboard": {"type": "full"}}
    return [shop.v1.accounts.create({"controller": controller}).id for _number in range(2)]


@pytest.mark.parametrize("header", ["stripe_account", "stripe_context"])
def test_objects(shop: Shop, sellers: list[str], header: str) -> None:
    anna: Any = {header: sellers[0]}
    bert: Any = {header: sellers[1]}
    made = shop.v1.payment_intents.create(INTENT, anna)
    assert shop.v1.payment_intents.retrieve(made.id, options=anna).status == "succeeded"
    for options in ({}, bert):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.v1.payment_intents.retrieve(made.id, options=options)
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
        assert shop.v1.payment_intents.list(options=options).data == []
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.refunds.create({"payment_intent": made.id})
    assert shop.v1.refunds.create({"payment_intent": made.id}, anna).status == "succeeded"


def test_idempotency_keys(shop: Shop, sellers: list[str]) -> None:
    options: list[Any] = [{"idempotency_key": "k"}, *({"idempotency_key": "k", "stripe_account": a} for a in sellers)]
    ids = [shop.v1.payment_intents.create(INTENT, one).id for one in options for _repeat in range(2)]
    assert len(set(ids)) == 3


def test_events(shop: Shop, sellers: list[str]) -> None:
    for account in (None, *sellers):
        shop.v1.payment_intents.create(INTENT, {"stripe_account": account} if account else {})
    events = shop.fake.events("payment_intent.succeeded")
    assert [event.get("account") for event in events] == [None, *sellers]
    listed = shop.v1.events.list({"type": "payment_intent.succeeded"}, {"stripe_account": sellers[0]}).data
    assert [event.account for event in listed] == [sellers[0]]


def test_of_nobody(shop: Shop, sellers: list[str]) -> None:
    """Another platform's account is as unknown as one that has left, or was never there; the own one may be named."""
    shop.fake.add_key("sk_test_other", account="acct_other")
    shop.fake.act(sellers[1], connecting.leave)
    asked = [(shop.client("sk_test_other"), sellers[0]), (shop.client(), sellers[1]), (shop.client(), "acct_x")]
    for client, account in asked:
        with pytest.raises(stripe.PermissionError) as caught:
            client.v1.balance.retrieve(options={"stripe_account": account})
        assert (caught.value.http_status, caught.value.json_body["error"]["code"]) == (403, "account_invalid")
    assert shop.v1.balance.retrieve(options={"stripe_account": DEFAULT_ACCOUNT})


def test_organisation(shop: Shop, sellers: list[str]) -> None:
    """The path leads through a platform of the organisation."""
    key = "sk_org_test_" + "a" * 24
    shop.fake.add_key(key, account=f"{DEFAULT_ACCOUNT} acct_other")
    client = shop.client(key)
    made = client.v1.payment_intents.create(INTENT, {"stripe_context": f"{DEFAULT_ACCOUNT}/{sellers[0]}"})
    assert shop.v1.payment_intents.retrieve(made.id, options={"stripe_account": sellers[0]})
    for context in (sellers[0], f"acct_other/{sellers[0]}"):
        with pytest.raises(stripe.PermissionError):
            client.v1.balance.retrieve(options={"stripe_context": context})
