"""One pooled client per account and process: connections, keys, threads, forks, ASGI."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_stripe_gateway.exceptions import GatewayError, ProviderUnavailable
from django_stripe_gateway.gateways.stripe.calls import ClientPool, pool
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.values import PaymentRef
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.accounts import intent_gateway, make_account, make_request, new_key

THREADS = 8
CREATE = "/v1/payment_intents"


@pytest.fixture
def gateway(fake_stripe: FakeStripe) -> StripeIntentGateway:
    return intent_gateway(fake_stripe.url)


@pytest.fixture
def ref(gateway: StripeIntentGateway, fake_stripe: FakeStripe) -> PaymentRef:
    created = gateway.create_payment(make_request(), idempotency_key=new_key())
    fake_stripe.forget_requests()
    return PaymentRef(created.object_id, created.object_id, "USD")


def test_one_client_for_an_account(fake_stripe: FakeStripe) -> None:
    account = make_account(api_base=fake_stripe.url)
    clients = {pool.get(account), pool.get(make_account(api_base=fake_stripe.url, variant="another"))}
    assert len(clients) == 1


def test_one_client__made_by_many_threads_at_once() -> None:
    fresh = ClientPool()
    barrier = threading.Barrier(THREADS)

    def get(_number: int) -> Any:
        barrier.wait()
        return fresh.get(make_account())

    with ThreadPoolExecutor(THREADS) as threads:
        assert len({id(client) for client in threads.map(get, range(THREADS))}) == 1


@pytest.mark.parametrize(
    "fields",
    [{"api_key": "sk_test_other"}, {"api_base": "http://127.0.0.1:1"}, {"api_version": "2025-03-31.basil"}],
)
def test_another_client__for_another_account(fields: dict[str, str]) -> None:
    assert pool.get(make_account()) is not pool.get(make_account(**fields))


@pytest.mark.parametrize(("name", "value"), [("TIMEOUT", 3.5), ("MAX_NETWORK_RETRIES", 7), ("POOL_SIZE", 3)])
def test_another_client__when_a_setting_changes(settings: Any, name: str, value: float) -> None:
    before = pool.get(make_account())
    setattr(settings, f"STRIPE_GATEWAY_{name}", value)
    after = pool.get(make_account())
    assert after is not before
    assert pool.get(make_account()) is after


def test_connections__one_thread(gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe) -> None:
    for _ in range(20):
        gateway.retrieve_payment(ref)
    assert fake_stripe.connections == 1


def test_connections__no_more_than_threads(
    gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        snapshots = list(threads.map(lambda _n: gateway.retrieve_payment(ref), range(200)))
    assert {snapshot.object_id for snapshot in snapshots} == {ref.object_id}
    assert fake_stripe.connections <= THREADS


def test_connections__more_threads_than_the_pool_keeps(
    gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_POOL_SIZE = 2
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda _n: gateway.retrieve_payment(ref), range(100)))
    assert len(found) == 100


def test_connections__a_thread_for_each_call(
    gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe
) -> None:
    for _ in range(20):
        thread = threading.Thread(target=gateway.retrieve_payment, args=(ref,))
        thread.start()
        thread.join()
    assert len(fake_stripe.requests) == 20
    assert fake_stripe.connections == 1


def test_connections__asgi(gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe) -> None:
    async def view() -> None:
        await sync_to_async(gateway.retrieve_payment, thread_sensitive=False)(ref)

    async def serve() -> None:
        for _ in range(20):
            await view()
        await asyncio.gather(*(view() for _ in range(40)))

    asyncio.run(serve())
    # A second loop has other threads.
    asyncio.run(serve())
    assert len(fake_stripe.requests) == 120
    assert fake_stripe.connections <= (os.cpu_count() or 1) + 4


@pytest.mark.slow
def test_two_accounts__never_the_wrong_key(fake_stripe: FakeStripe) -> None:
    gateways = {}
    for name in ("one", "two"):
        fake_stripe.add_key(f"sk_test_{name}", account=f"acct_{name}", name=name)
        gateways[name] = intent_gateway(fake_stripe.url, api_key=f"sk_test_{name}", variant=name)

    def create(number: int) -> None:
        name = ("one", "two")[number % 2]
        gateways[name].create_payment(make_request(), idempotency_key=f"{name}-{number}")

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(create, range(1200)))
    assert len(fake_stripe.requests) == 1200
    wrong = [
        request for request in fake_stripe.requests if request.key_name != str(request.idempotency_key).split("-")[0]
    ]
    assert wrong == []
    assert fake_stripe.connections <= 2 * THREADS


@pytest.mark.slow
def test_heavy_load__with_resets(fake_stripe: FakeStripe, settings: Any) -> None:
    """Every answer belongs to its question, and what was tried again was charged once."""
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
    settings.STRIPE_GATEWAY_POOL_SIZE = 4
    gateway = intent_gateway(fake_stripe.url)
    for kind in ("reset_before", "reset_after", "error_500_before", "garbage") * 10:
        fake_stripe.fault("POST", CREATE, kind=kind)  # type: ignore[arg-type]

    def create(number: int) -> tuple[str, str]:
        request = make_request(metadata={"number": str(number)})
        for attempt in range(10):
            try:
                snapshot = gateway.create_payment(request, idempotency_key=f"number-{number}")
            except ProviderUnavailable:
                assert attempt < 9
                continue
            return str(number), snapshot.raw["metadata"]["number"]
        raise AssertionError

    with ThreadPoolExecutor(16) as threads:
        pairs = list(threads.map(create, range(400)))
    assert [asked for asked, answered in pairs if asked != answered] == []
    made = [intent["metadata"]["number"] for intent in fake_stripe.all("payment_intent")]
    assert sorted(made, key=int) == [str(number) for number in range(400)]


def test_retries__carry_the_same_key(fake_stripe: FakeStripe, settings: Any, monkeypatch: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 2
    gateway = intent_gateway(fake_stripe.url)
    monkeypatch.setattr("stripe.HTTPClient.INITIAL_DELAY", 0.01)
    fake_stripe.fault("POST", CREATE, kind="reset_after")
    fake_stripe.fault("POST", CREATE, kind="error_409_lock")
    snapshot = gateway.create_payment(make_request(), idempotency_key="only-key")
    assert [request.idempotency_key for request in fake_stripe.requests] == ["only-key"] * 3
    assert [intent["id"] for intent in fake_stripe.all("payment_intent")] == [snapshot.object_id]


def test_retries__none_where_stripe_asks_for_none(fake_stripe: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 2
    fake_stripe.fault("POST", CREATE, kind="error_500_after")
    with pytest.raises(ProviderUnavailable):
        intent_gateway(fake_stripe.url).create_payment(make_request(), idempotency_key=new_key())
    assert len(fake_stripe.requests) == 1


@pytest.mark.parametrize(("configured", "expected"), [("", "2026-10-28.endive"), ("2025-03-31.basil",) * 2])
def test_api_version(fake_stripe: FakeStripe, configured: str, expected: str) -> None:
    gateway = intent_gateway(fake_stripe.url, api_version=configured)
    gateway.create_payment(make_request(), idempotency_key=new_key())
    sent = fake_stripe.requests[-1].stripe_version
    if configured:
        assert sent == expected
    else:
        import stripe

        assert sent == stripe.api_version


def _retrieve_in_child(url: str, object_id: str, results: Any) -> None:
    try:
        snapshot = intent_gateway(url).retrieve_payment(PaymentRef(object_id, object_id, "USD"))
        results.put(snapshot.object_id)
    except GatewayError as error:
        results.put(repr(error))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork__connects_anew(gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe) -> None:
    """A prefork server that has called Stripe before it forks: no worker writes into another's connection."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [
        context.Process(target=_retrieve_in_child, args=(fake_stripe.url, ref.object_id, results)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=20) for _ in workers]
    for worker in workers:
        worker.join(20)
    assert found == [ref.object_id] * 3
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert fake_stripe.connections == 4
    # The parent's own connection has survived the children's end.
    gateway.retrieve_payment(ref)
    assert fake_stripe.connections == 4


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork__while_another_thread_makes_a_client(fake_stripe: FakeStripe, ref: PaymentRef) -> None:
    with pool._lock:
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        worker = context.Process(target=_retrieve_in_child, args=(fake_stripe.url, ref.object_id, results))
        worker.start()
        assert results.get(timeout=20) == ref.object_id
        worker.join(20)


def test_close__the_next_call_connects_again(
    gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe
) -> None:
    pool.close()
    gateway.retrieve_payment(ref)
    assert fake_stripe.connections == 2


def test_globals_of_the_sdk__untouched(gateway: StripeIntentGateway, ref: PaymentRef) -> None:
    import stripe

    assert stripe.api_key is None
    assert stripe.api_base == "https://api.stripe.com"
    assert stripe.default_http_client is None


def test_globals_of_the_sdk__not_used(
    gateway: StripeIntentGateway, ref: PaymentRef, fake_stripe: FakeStripe, monkeypatch: Any
) -> None:
    """Another app of the host's, that sets them, changes nothing here."""
    import stripe

    monkeypatch.setattr(stripe, "api_key", "sk_test_of_another_app")
    monkeypatch.setattr(stripe, "api_base", "http://127.0.0.1:1")
    monkeypatch.setattr(stripe, "max_network_retries", 9)
    gateway.retrieve_payment(ref)
    assert fake_stripe.requests[-1].key_name == "sk_test_fake"


def test_import__stripe_is_not_loaded_before_it_is_needed() -> None:
    script = (
        "import sys, pkgutil, importlib, django; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().url_patterns; get_resolver().reverse_dict\n"
        "import django_stripe_gateway.gateways as package\n"
        "for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "from django_stripe_gateway.gateways.registry import get_gateway; get_gateway('stripe')\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'stripe'][:3])\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
