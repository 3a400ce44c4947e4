from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.test_fake_stripe.shop import Shop


@pytest.fixture
def intent_id(shop: Shop) -> str:
    """Return a paid intent, with a client that gives up after a second."""
    intent = shop.intent()
    shop.fake.forget_requests()
    return intent["id"]


def refund(shop: Shop, intent_id: str, **options: object) -> stripe.Refund:
    client = shop.client(max_network_retries=1, http_client=stripe.RequestsClient(timeout=1), **options)
    return client.v1.refunds.create({"payment_intent": intent_id, "amount": 100}, {"idempotency_key": "k"})


@pytest.mark.parametrize("kind", ["error_500_before", "reset_before", "error_409_lock"])
def test_nothing_done_then_retried(shop: Shop, intent_id: str, kind: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind=kind)
    assert refund(shop, intent_id).status == "succeeded"
    assert [(r.acts, r.fault, r.replayed) for r in shop.fake.requests] == [(0, kind, False), (1, None, False)]
    assert shop.fake.faults_pending == []


def test_reset_after__retry_replays(shop: Shop, intent_id: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="reset_after")
    assert refund(shop, intent_id).status == "succeeded"
    assert [(r.acts, r.status, r.replayed) for r in shop.fake.requests] == [(1, None, False), (0, 200, True)]
    assert len(shop.fake.all("refund")) == 1


def test_reset__is_a_reset(shop: Shop) -> None:
    shop.fake.fault("GET", "/v1/balance", kind="reset_before")
    with pytest.raises(stripe.APIConnectionError, match=r"reset by peer|ConnectionResetError"):
        shop.v1.balance.retrieve()
    assert shop.v1.balance.retrieve().object == "balance"
    assert shop.fake.connections == 2


def test_error_500_after__is_stored(shop: Shop, intent_id: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="error_500_after")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            refund(shop, intent_id)
        assert caught.value.http_status == 500
        assert caught.value.headers["Stripe-Should-Retry"] == "false"
    assert [record.replayed for record in shop.fake.requests] == [False, True]
    assert len(shop.fake.all("refund")) == 1


def test_error_500_after__not_stored(shop: Shop, intent_id: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="error_500_after", stored=False)
    assert refund(shop, intent_id).status == "succeeded"
    assert len(shop.fake.all("refund")) == 1


def test_rate_limit(shop: Shop, intent_id: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="rate_limit", times=2)
    with pytest.raises(stripe.RateLimitError) as caught:
        refund(shop, intent_id)
    assert (caught.value.http_status, caught.value.error.code) == (429, "rate_limit")
    assert [fault.times for fault in shop.fake.faults_pending] == [1]
    shop.fake.clear_faults()
    assert shop.fake.faults_pending == []


def test_garbage(shop: Shop, intent_id: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="garbage")
    with pytest.raises(stripe.APIError, match="upstream went away"):
        refund(shop, intent_id)
    assert len(shop.fake.all("refund")) == 1


@pytest.mark.parametrize(("when", "refunds"), [("before", 0), ("after", 1)])
def test_hang(shop: Shop, intent_id: str, when: str, refunds: int) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="hang", when=when)
    client = shop.client(http_client=stripe.RequestsClient(timeout=0.3))
    with pytest.raises(stripe.APIConnectionError):
        client.v1.refunds.create({"payment_intent": intent_id})
    assert len(shop.fake.all("refund")) == refunds


def test_twice__is_caught_by_the_key(shop: Shop, intent_id: str) -> None:
    shop.fake.fault("POST", "/v1/refunds", kind="twice")
    refund(shop, intent_id)
    assert [(r.acts, r.replayed) for r in shop.fake.requests] == [(1, True)]
    assert len(shop.fake.all("refund")) == 1


def test_path_with_a_placeholder(shop: Shop) -> None:
    shop.fake.fault("POST", "/v1/payment_intents/*/capture", kind="error_500_before")
    intent = shop.intent(capture_method="manual")
    with pytest.raises(stripe.APIError):
        shop.v1.payment_intents.capture(intent["id"])
    assert shop.v1.payment_intents.capture(intent["id"]).status == "succeeded"


def test_fault__after_requests_that_go_well(shop: Shop) -> None:
    shop.fake.fault("GET", "/v1/balance", kind="error_500_before", after=2)
    for _ in range(2):
        shop.v1.balance.retrieve()
    shop.v1.payment_intents.list()
    with pytest.raises(stripe.APIError):
        shop.v1.balance.retrieve()
    shop.v1.balance.retrieve()
    assert shop.fake.faults_pending == []


def test_interrupt__while_a_request_is_in_flight(shop: Shop, intent_id: str) -> None:
    """What happens before the answer is seen in it, once, and by the request that was meant."""
    amounts: list[int] = []
    shop.fake.interrupt("GET", "/v1/refunds", lambda: shop.fake.dashboard_refund(intent_id, 5), after=1)
    for _ in range(3):
        amounts.append(sum(refund.amount for refund in shop.v1.refunds.list().data))
    assert amounts == [0, 5, 5]


def test_close_connections(shop: Shop) -> None:
    shop.v1.balance.retrieve()
    shop.fake.close_connections()
    shop.v1.balance.retrieve()
    assert shop.fake.connections == 2


def test_unknown_kind(shop: Shop) -> None:
    with pytest.raises(ValueError, match="error_500_before"):
        shop.fake.fault("POST", "/v1/refunds", kind="explode")


def test_hold__after_acting(shop: Shop, intent_id: str) -> None:
    with ThreadPoolExecutor() as pool, shop.fake.hold("POST", "/v1/refunds", when="after") as held:
        answer = pool.submit(shop.client().v1.refunds.create, {"payment_intent": intent_id})
        held.wait()
        assert shop.fake.events("charge.refunded")
        assert not answer.done()
        held.release()
        assert answer.result(10).status == "succeeded"


def test_hold__nothing_arrives(shop: Shop) -> None:
    with (
        shop.fake.hold("POST", "/v1/refunds") as held,
        pytest.raises(AssertionError, match="0 of 1 requests POST /v1/refunds"),
    ):
        held.wait(timeout=0.01)


def test_requests_act_one_after_the_other(shop: Shop, intent_id: str) -> None:
    """Two requests cannot both be in the middle of acting: the barrier for two never fills."""
    inside = threading.Barrier(2)
    overlaps = []

    def clock() -> float:
        try:
            inside.wait(0.1)
        except threading.BrokenBarrierError:
            return 1_900_000_000.0
        overlaps.append(True)
        return 1_900_000_000.0

    shop.fake.state.clock = clock
    with ThreadPoolExecutor(2) as pool:
        params = {"payment_intent": intent_id, "amount": 1}
        answers = [pool.submit(shop.client().v1.refunds.create, params) for _ in range(2)]
        assert {answer.result(10).created for answer in answers} == {1_900_000_000}
    assert overlaps == []


def test_parallel_refunds_never_exceed_the_charge(shop: Shop, intent_id: str) -> None:
    def attempt(_: int) -> bool:
        try:
            shop.client().v1.refunds.create({"payment_intent": intent_id, "amount": 600})
        except stripe.InvalidRequestError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 3
