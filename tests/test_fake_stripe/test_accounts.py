from __future__ import annotations

import urllib.error
import urllib.request

import pytest
import stripe

from tests.test_fake_stripe.shop import Shop


@pytest.mark.parametrize("key", ["sk_test_unknown_123456", "pk_test_fake"])
def test_key__unknown(shop: Shop, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        shop.client(key).v1.balance.retrieve()
    assert caught.value.http_status == 401
    assert key not in str(caught.value)


def test_key__revoked(shop: Shop) -> None:
    shop.fake.revoke_key("sk_test_fake")
    with pytest.raises(stripe.AuthenticationError):
        shop.v1.balance.retrieve()


def test_key__missing(shop: Shop) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(shop.fake.url + "/v1/balance")
    with caught.value as error:
        assert error.code == 401


def test_livemode__from_the_prefix(shop: Shop) -> None:
    live = shop.client("sk_live_fake").v1
    session = live.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://shop.example/",
            "line_items": [
                {"price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "T"}}, "quantity": 1}
            ],
        }
    )
    assert session.livemode is True
    assert session.id.startswith("cs_live_")
    assert shop.fake.complete_checkout(session.id)[0]["livemode"] is True
    with pytest.raises(stripe.InvalidRequestError, match="a similar object exists in live mode") as caught:
        shop.v1.checkout.sessions.retrieve(session.id)
    assert caught.value.http_status == 404


def test_accounts__are_apart(shop: Shop) -> None:
    shop.fake.add_key("sk_test_other", account="acct_other", name="other shop")
    other = shop.client("sk_test_other").v1
    intent = shop.intent()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        other.payment_intents.retrieve(intent["id"])
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    assert other.payment_intents.list().data == []
    assert [record.key_name for record in shop.fake.requests] == ["sk_test_fake", "other shop", "other shop"]


def test_missing__named_in_a_parameter_is_400(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.refunds.create({"payment_intent": "pi_nope"})
    assert (caught.value.http_status, caught.value.code) == (400, "resource_missing")


def test_connections__are_reused(shop: Shop) -> None:
    for _ in range(5):
        shop.v1.balance.retrieve()
    assert shop.fake.connections == 1
    assert {record.connection for record in shop.fake.requests} == {1}
    shop.client().v1.balance.retrieve()
    assert shop.fake.connections == 2
    assert len({record.client_port for record in shop.fake.requests}) == 2
