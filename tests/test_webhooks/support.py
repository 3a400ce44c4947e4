"""Short ways to deliver events and to look at what they did."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connections
from django.test import Client
from payments import get_payment_model

from django_stripe_gateway.models import PaymentLog, WebhookEvent
from tests.factories import as_body
from tests.fake_stripe.events import signature_header

SECRET = "whsec_test"
URL = "/api/v1/webhooks/stripe/"

Event = dict[str, Any]


def post(
    body: bytes,
    *,
    secret: str | None = SECRET,
    url: str = URL,
    timestamp: int | None = None,
    client: Client | None = None,
    **headers: Any,
) -> Any:
    """Post a body, signed unless ``secret`` is ``None``; headers as WSGI names them."""
    if secret is not None:
        moment = int(time.time()) if timestamp is None else timestamp
        headers.setdefault("HTTP_STRIPE_SIGNATURE", signature_header(body, secret, moment))
    client = client or Client(enforce_csrf_checks=True)
    return client.post(url, body, content_type="application/json; charset=utf-8", **headers)


def wsgi_request(body: bytes, **headers: str) -> WSGIRequest:
    """Return the request that a WSGI server makes of a delivery."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    return WSGIRequest(environ | headers)


def deliver(event: Event, **options: Any) -> Any:
    """Post one event."""
    return post(as_body(event), **options)


def deliver_all(events: Iterable[Event], **options: Any) -> list[str]:
    """Post events in their order, each to be answered with 200, and return the states they ended in."""
    states = []
    for event in events:
        answer = deliver(event, **options)
        assert answer.status_code == 200, (event["type"], answer.content)
        states.append(answer.json()["state"])
    return states


def only(events: Iterable[Event], *types: str) -> list[Event]:
    """Return the events of some types."""
    return [event for event in events if event["type"] in types]


def row_of(event: Mapping[str, Any]) -> WebhookEvent:
    """Return the stored row of an event."""
    return WebhookEvent.objects.get(event_id=event["id"])


def money_rows() -> list[Any]:
    """Return all that events may change, to show that they did not; the log of contradictions apart."""
    payments = get_payment_model().objects.order_by("pk")
    logs = PaymentLog.objects.exclude(event="mismatch").count()
    return [payments.values().get(pk=payment.pk) for payment in payments] + [logs]


def changed(event: Event, **fields: Any) -> Event:
    """Return a copy of an event whose object has other fields; ``...`` takes one away."""
    copy: Event = json.loads(json.dumps(event))
    obj = copy["data"]["object"]
    for name, value in fields.items():
        if value is ...:
            obj.pop(name, None)
        else:
            obj[name] = value
    return copy


def in_threads(calls: Iterable[Callable[[], Any]], workers: int) -> list[Any]:
    """Run calls in threads of their own, leave no connection open, and return the results in the calls' order."""

    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def pass_time(**units: float) -> None:
    """Make every stored event older, as if so much time had passed since."""
    columns = ("received", "processed", "next_attempt", "leased_until")
    for row in WebhookEvent.objects.all():
        earlier = {name: getattr(row, name) and getattr(row, name) - timedelta(**units) for name in columns}
        WebhookEvent.objects.filter(pk=row.pk).update(**earlier)
