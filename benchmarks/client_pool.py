"""Compare ways to call Stripe: one shared client, the SDK's own HTTP client, and a client made for each call.

    python -m benchmarks.client_pool [--calls 400] [--rounds 3]

The rounds of all ways alternate against one fake Stripe on the loopback, without TLS, so that the ratios mean something
on a busy machine; over the internet a new connection costs two or three round trips more.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import stripe
from django.conf import settings

from tests.fake_stripe.server import FakeStripe

settings.configure(STRIPE_GATEWAY_MAX_NETWORK_RETRIES=0)

from django_stripe_gateway import conf  # noqa: E402, F401 (gives the settings their defaults)
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount  # noqa: E402
from django_stripe_gateway.gateways.stripe.calls import pool  # noqa: E402

KEY = "sk_test_fake"
THREADS = 8

Client = Callable[[], Any]
Pattern = Callable[[Callable[[], None], int], None]


def shared(url: str) -> Client:
    """Return what hands out this package's client."""
    account = StripeAccount("stripe", KEY, (), url, "", False, "intent", False)
    return lambda: pool.get(account)


def sdk_default(url: str) -> Client:
    """Return what hands out one client with the SDK's own HTTP client, which keeps a session for each thread."""
    client = stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=stripe.RequestsClient())
    return lambda: client


def one_for_each_call(url: str) -> Client:
    """Return what makes a new client."""
    return lambda: stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=stripe.RequestsClient())


WAYS: dict[str, Callable[[str], Client]] = {
    "shared client": shared,
    "SDK default": sdk_default,
    "client per call": one_for_each_call,
}


def one_thread(call: Callable[[], None], calls: int) -> None:
    """Call one after another, as a worker process does."""
    for _ in range(calls):
        call()


def thread_pool(call: Callable[[], None], calls: int) -> None:
    """Call from threads that stay, as a threaded server does."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _number: call(), range(calls)))


def thread_for_each_call(call: Callable[[], None], calls: int) -> None:
    """Call from threads that come and go, as sync views under ASGI do at worst."""
    for _ in range(calls):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()


PATTERNS: dict[str, Pattern] = {
    "one thread": one_thread,
    f"{THREADS} threads": thread_pool,
    "thread per call": thread_for_each_call,
}


def measure(way: Callable[[str], Client], pattern: Pattern, calls: int) -> tuple[float, int]:
    """Return the seconds of one round, and the connections that it made."""
    with FakeStripe() as fake:
        client = way(fake.url)
        intent = client().v1.payment_intents.create({"amount": 1000, "currency": "usd"})
        before = fake.connections

        def call() -> None:
            client().v1.payment_intents.retrieve(intent.id)

        start = time.perf_counter()
        pattern(call, calls)
        seconds = time.perf_counter() - start
        connections = fake.connections - before
        pool.close()
    return seconds, connections


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=400, help="in each round")
    parser.add_argument("--rounds", type=int, default=3, help="of each way; the median counts")
    options = parser.parse_args()
    print(f"stripe {stripe.VERSION}, {options.calls} calls a round, median of {options.rounds} rounds\n")
    print("| pattern | client | ms a call | ratio | new connections |")
    print("|---|---|---:|---:|---:|")
    for pattern_name, pattern in PATTERNS.items():
        rounds: dict[str, list[tuple[float, int]]] = {name: [] for name in WAYS}
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                rounds[name].append(measure(way, pattern, options.calls))
        medians = {name: statistics.median(seconds for seconds, _ in found) for name, found in rounds.items()}
        for name, seconds in medians.items():
            connections = max(count for _, count in rounds[name])
            ratio = seconds / medians["shared client"]
            print(f"| {pattern_name} | {name} | {seconds / options.calls * 1000:.2f} | {ratio:.2f} | {connections} |")


if __name__ == "__main__":
    main()
