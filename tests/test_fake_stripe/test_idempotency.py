from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.test_fake_stripe.shop import NO_REDIRECTS, Shop

INTENT = {"amount": 2000, "currency": "usd", **NO_REDIRECTS}


def test_replay(shop: Shop) -> None:
    options = {"idempotency_key": "k1"}
    first = shop.v1.payment_intents.create(INTENT, options)
    second = shop.v1.payment_intents.create(INTENT, options)
    assert first.id == second.id
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert [(r.idempotency_key, r.replayed, r.acts) for r in shop.fake.requests] == [
        ("k1", False, 1),
        ("k1", True, 0),
    ]
    assert shop.fake.events()[0]["request"]["idempotency_key"] == "k1"
    assert len(shop.fake.all("payment_intent")) == 1


def test_other_parameters(shop: Shop) -> None:
    shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError) as caught:
        shop.v1.payment_intents.create({**INTENT, "amount": 2001}, {"idempotency_key": "k1"})
    assert caught.value.http_status == 400


def test_other_endpoint(shop: Shop) -> None:
    intent = shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        shop.v1.payment_intents.cancel(intent.id, {}, {"idempotency_key": "k1"})


def test_declined_is_stored(shop: Shop) -> None:
    params = {**INTENT, "payment_method": "pm_card_chargeDeclined", "confirm": True}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            shop.v1.payment_intents.create(params, {"idempotency_key": "k1"})
    assert [record.replayed for record in shop.fake.requests] == [False, True]
    assert len(shop.fake.all("charge")) == 1


def test_refused_parameters_are_not_stored(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.payment_intents.create({**INTENT, "amount": 1}, {"idempotency_key": "k1"})
    assert shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"}).amount == 2000


def test_accounts_have_keys_of_their_own(shop: Shop) -> None:
    shop.fake.add_key("sk_test_other", account="acct_other")
    first = shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
    other = shop.client("sk_test_other").v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
    live = shop.client("sk_live_fake").v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
    assert len({first.id, other.id, live.id}) == 3


def test_forgotten_after_a_day(shop: Shop) -> None:
    first = shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
    shop.fake.forget_idempotency_keys()
    assert shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"}).id != first.id


def test_in_flight(shop: Shop) -> None:
    with ThreadPoolExecutor() as pool, shop.fake.hold("POST", "/v1/payment_intents", times=1) as held:
        first = pool.submit(shop.client().v1.payment_intents.create, INTENT, {"idempotency_key": "k1"})
        held.wait()
        assert [record.status for record in shop.fake.requests] == [None]
        with pytest.raises(stripe.StripeError) as caught:
            shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k1"})
        assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
        assert shop.fake.all("payment_intent") == []
        held.release()
        assert first.result(10).id == shop.fake.all("payment_intent")[0]["id"]


def test_too_long(shop: Shop) -> None:
    with pytest.raises(stripe.IdempotencyError, match="255"):
        shop.v1.payment_intents.create(INTENT, {"idempotency_key": "k" * 256})
