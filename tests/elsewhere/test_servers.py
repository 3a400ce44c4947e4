"""Real servers, asynchronous and green: many requests at once, each done once."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from django.db import connection
from rest_framework.authtoken.models import Token

from django_stripe_gateway.models import IdempotencyKey, Payment, PaymentOperation, WebhookEvent
from tests.conftest import free_port, wait_for_port
from tests.elsewhere.running import ROOT, environment_of
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

MODULE = "tests.elsewhere.serving"
COMMANDS = {
    "uvicorn": ["-m", "uvicorn", f"{MODULE}:asgi", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "error"],
    "gevent": ["-m", "gunicorn", f"{MODULE}:application", "-k", "gevent", "-w", "1", "-b", "127.0.0.1:{port}"],
}
CALLERS = 20


@contextlib.contextmanager
def served(name: str, fake: FakeStripe, folder: Any) -> Iterator[str]:
    """Run a server; yields its address."""
    port = free_port()
    environment = environment_of(
        folder,
        "tests.elsewhere.serving_settings",
        ELSEWHERE_DATABASE=str(connection.settings_dict["NAME"]),
        ELSEWHERE_STRIPE=fake.url,
    )
    command = [sys.executable, *(part.format(port=port) for part in COMMANDS[name])]
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for_port(port, process, 60)
        yield f"http://127.0.0.1:{port}/api/v1/"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@pytest.mark.parametrize("name", COMMANDS)
def test_many_at_once(fake_stripe: FakeStripe, tmp_path: Any, name: str) -> None:
    if name == "gevent" and connection.vendor != "postgresql":
        # Only there a driver waits for the database without holding up everybody else: psycopg.
        pytest.skip("greenlets need a driver that knows of them")
    tokens = [Token.objects.create(user=make_user()).key for _number in range(CALLERS)]
    with served(name, fake_stripe, tmp_path) as root, ThreadPoolExecutor(CALLERS) as pool:

        def create(number: int) -> dict[str, Any]:
            """Buy for an amount of one's own, each under one key, which others use too."""
            body = {"gateway": "Stripe", "amount": f"{10 + number}.00", "currency": "USD"}
            headers = {"Authorization": f"Token {tokens[number % CALLERS]}", "Idempotency-Key": "same"}
            answer = requests.post(f"{root}payments/create_payment/", json=body, headers=headers, timeout=60)
            assert answer.status_code == 201, answer.text
            return {"token": tokens[number % CALLERS], **answer.json()}

        made = list(pool.map(create, range(CALLERS)))
        assert len({one["payment_id"] for one in made}) == CALLERS
        assert [one["total"] if "total" in one else one["amount"] for one in made] == [
            f"{10 + number}.00" for number in range(CALLERS)
        ]
        again = list(pool.map(create, range(CALLERS)))
        assert [one["payment_id"] for one in again] == [one["payment_id"] for one in made]
        posts = [one for one in fake_stripe.requests if one.method == "POST"]
        assert len(posts) == CALLERS == len({one.idempotency_key for one in posts})
        # They went over connections that were kept, not over one each.
        assert len({one.connection for one in fake_stripe.requests}) <= CALLERS
        fake_stripe.forget_requests()
        list(pool.map(lambda number: create_more(root, tokens[number]), range(CALLERS)))
        assert len({one.connection for one in fake_stripe.requests}) <= CALLERS

        sessions = [payment.transaction_id for payment in Payment.objects.all()]
        events = [event for session in sessions for event in fake_stripe.complete_checkout(session)]

        def deliver(event: dict[str, Any]) -> int:
            body = fake_stripe.body(event)
            headers = {"Stripe-Signature": fake_stripe.sign(body, "whsec_test"), "Content-Type": "application/json"}
            return requests.post(f"{root}webhooks/stripe/", data=body, headers=headers, timeout=60).status_code

        statuses = list(pool.map(deliver, events * 2))
        for event, status in zip(events * 2, statuses, strict=True):
            # SQLite has one lock for all: what finds it taken for long is delivered again.
            if status != 200:
                assert deliver(event) == 200
        who_hangs_up(root, tokens[0])
        wait_until(lambda: not PaymentOperation.objects.pending().exists(), what="what was asked to be done")
    assert set(Payment.objects.exclude(order_id="hangs-up").values_list("status", flat=True)) == {"confirmed"}
    assert WebhookEvent.objects.count() == len(events)
    payment = Payment.objects.get(order_id="hangs-up")
    assert (payment.status, bool(payment.transaction_id)) == ("waiting", True)
    assert IdempotencyKey.objects.filter(response_status=None).count() == 0


def create_more(root: str, token: str) -> None:
    body = {"gateway": "Stripe", "amount": "5.00", "currency": "USD"}
    headers = {"Authorization": f"Token {token}"}
    answer = requests.post(f"{root}payments/create_payment/", json=body, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text


def who_hangs_up(root: str, token: str) -> None:
    """Ask for a payment, and be gone before the answer comes."""
    body = json.dumps({"gateway": "Stripe", "amount": "7.00", "currency": "USD", "order_id": "hangs-up"}).encode()
    port = int(root.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        head = (
            f"POST /api/v1/payments/create_payment/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\n"
            f"Idempotency-Key: hangs-up\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + body)
        wait_until(lambda: Payment.objects.filter(order_id="hangs-up").exists(), what="the payment to be stored")
    wait_until(
        lambda: Payment.objects.filter(order_id="hangs-up").exclude(transaction_id="").exists(),
        what="the payment to be started though nobody waits",
    )
