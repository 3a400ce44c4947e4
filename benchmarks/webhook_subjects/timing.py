"""What the subjects share: the event, and how it is delivered and timed. Needs nothing but Django."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest

SECRET = "whsec_benchmark"
AMOUNT = 1000


def intent(number: int, token: str) -> dict[str, Any]:
    """Return a PaymentIntent as Stripe shows it."""
    empty = dict.fromkeys(
        "amount_details application application_fee_amount automatic_payment_methods canceled_at cancellation_reason "
        "customer description invoice last_payment_error latest_charge next_action on_behalf_of payment_method "
        "payment_method_configuration_details processing receipt_email review setup_future_usage shipping source "
        "statement_descriptor statement_descriptor_suffix transfer_data transfer_group".split()
    )
    return {
        **empty,
        "id": f"pi_{number:024d}",
        "object": "payment_intent",
        "amount": AMOUNT,
        "amount_capturable": 0,
        "amount_received": AMOUNT,
        "capture_method": "automatic_async",
        "client_secret": f"pi_{number:024d}_secret_x",
        "confirmation_method": "automatic",
        "created": 1_790_000_000,
        "currency": "usd",
        "livemode": False,
        "metadata": {"payment_id": str(number), "token": token},
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "status": "succeeded",
    }


def delivery(number: int, token: str) -> tuple[bytes, str]:
    """Return the body of a ``payment_intent.succeeded`` and its signature."""
    event = {
        "id": f"evt_{number:024d}",
        "object": "event",
        "api_version": "2025-09-30.clover",
        "created": 1_790_000_000,
        "data": {"object": intent(number, token)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "payment_intent.succeeded",
    }
    body, now = json.dumps(event, indent=2).encode(), int(time.time())
    digest = hmac.new(SECRET.encode(), str(now).encode() + b"." + body, hashlib.sha256).hexdigest()
    return body, f"t={now},v1={digest}"


def timed(path: str, deliveries: Sequence[tuple[bytes, str]]) -> list[float]:
    """Deliver to the view at ``path``, as a WSGI server hands requests over, and return the seconds of each."""
    handler = BaseHandler()
    handler.load_middleware()
    seconds = []
    for body, signature in deliveries:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": "application/json; charset=utf-8",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_STRIPE_SIGNATURE": signature,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }
        start = time.perf_counter()
        answer = handler.get_response(WSGIRequest(environ))
        seconds.append(time.perf_counter() - start)
        if answer.status_code != 200:
            raise SystemExit(f"The view answered {answer.status_code}: {answer.content[:500]!r}")
    return seconds


def serve(path: str, prepare: Callable[[int, int], list[str]], fill: Callable[[int], None] | None = None) -> None:
    """Do what the lines of stdin ask for until it ends.

    Args:
        prepare: makes payments for numbers from, and below, and returns their tokens.
        fill: stores so many events beforehand.
    """
    made = 0
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "fill" in order and fill is not None:
            fill(order["fill"])
            print("{}", flush=True)
            continue
        numbers = range(made, made + order["deliver"])
        made = numbers.stop
        tokens = prepare(numbers.start, numbers.stop)
        deliveries = [delivery(number, token) for number, token in zip(numbers, tokens, strict=True)]
        print(json.dumps(timed(path, deliveries)), flush=True)


def database() -> dict[str, Any]:
    """Return the entry of ``DATABASES`` that the first argument holds."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found
