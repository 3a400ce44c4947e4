"""Make Stripe's events, sign them, deliver them.

    from django_stripe_gateway.testing import deliver_event, make_event

    def test_order_is_paid(client, payment):
        event = make_event("checkout.session.completed", {"id": payment.transaction_id, ...})
        assert deliver_event(client, event, secret="whsec_test").status_code == 200

A delivery commits, as in production: mark such tests ``django_db(transaction=True)``, or use ``TransactionTestCase``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from django.test import Client
from django.urls import reverse


def make_event(event_type: str, obj: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an event about ``obj`` with a new id, as Stripe writes it; ``fields`` replace its own."""
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "created": int(time.time()),
        "data": {"object": dict(obj)},
        "livemode": False,
        "type": event_type,
    }
    return event | fields


def sign_body(body: bytes, secret: str, timestamp: int | None = None) -> str:
    """Return the ``Stripe-Signature`` header for ``body``.

    Args:
        secret: the endpoint's signing secret (``whsec_…``).
        timestamp: seconds since 1970, by default now.

    Stripe's scheme: https://docs.stripe.com/webhooks#verify-manually.
    """
    moment = int(time.time()) if timestamp is None else timestamp
    signature = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signature}"


def deliver_event(client: Client, event: Mapping[str, Any], *, secret: str = "", url: str = "") -> Any:
    """Post ``event`` to the webhook URL as Stripe would, and return the response.

    Args:
        secret: signs the delivery; empty for an unsigned one.
        url: by default the ``webhooks/stripe/`` URL of this app.
    """
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": sign_body(body, secret)} if secret else {}
    address = url or reverse("django_stripe_gateway:stripe-webhook")
    return client.post(address, data=body, content_type="application/json", headers=headers)
