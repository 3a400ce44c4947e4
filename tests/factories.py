"""Rows for tests."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from payments import get_payment_model

_numbers = itertools.count(1)


def make_user(**fields: Any) -> Any:
    """Return a stored user."""
    fields.setdefault("username", f"user{next(_numbers)}")
    return get_user_model().objects.create_user(**fields)


def make_payment(**fields: Any) -> Any:
    """Return a stored payment of 10.00 USD that waits; nothing is made at a provider."""
    fields.setdefault("total", Decimal("10.00"))
    fields.setdefault("currency", "USD")
    fields.setdefault("variant", "stripe")
    fields.setdefault("gateway", "Stripe")
    return get_payment_model().objects.create(**fields)


def make_paid_payment(**fields: Any) -> Any:
    """Return a stored payment that is confirmed, with made-up ids."""
    number = next(_numbers)
    fields.setdefault("status", "confirmed")
    fields.setdefault("captured_amount", fields.get("total", Decimal("10.00")))
    fields.setdefault("transaction_id", f"cs_test_{number}")
    fields.setdefault("intent_id", f"pi_{number}")
    return make_payment(**fields)


def make_event(event_type: str, obj: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an event about ``obj`` as Stripe writes it."""
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": dict(obj)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    return event | fields


def intent_object(payment: Any, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    """Return the PaymentIntent of ``payment`` (two-decimal currencies), as events carry it."""
    amount = int(payment.total * 100)
    obj = {
        "id": payment.intent_id or f"pi_of_{payment.pk}",
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": amount if status == "requires_capture" else 0,
        "amount_received": amount if status == "succeeded" else 0,
        "currency": payment.currency.lower(),
        "livemode": False,
        "metadata": {"payment_id": str(payment.pk), "token": str(payment.token)},
        "status": status,
    }
    return obj | fields


def session_object(payment: Any, **fields: Any) -> dict[str, Any]:
    """Return the paid Checkout Session of ``payment`` (two-decimal currencies), as events carry it."""
    obj = {
        "id": payment.transaction_id or f"cs_test_of_{payment.pk}",
        "object": "checkout.session",
        "amount_total": int(payment.total * 100),
        "client_reference_id": str(payment.token),
        "currency": payment.currency.lower(),
        "livemode": False,
        "metadata": {"payment_id": str(payment.pk), "token": str(payment.token)},
        "mode": "payment",
        "payment_intent": payment.intent_id or f"pi_of_{payment.pk}",
        "payment_status": "paid",
        "status": "complete",
    }
    return obj | fields


def refund_object(payment: Any, amount: int, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    """Return a Refund of ``payment``, as events carry it; ``amount`` in the smallest unit."""
    obj = {
        "id": f"re_{uuid.uuid4().hex}",
        "object": "refund",
        "amount": amount,
        "currency": payment.currency.lower(),
        "metadata": {},
        "payment_intent": payment.intent_id,
        "reason": None,
        "status": status,
    }
    return obj | fields


def as_body(event: Mapping[str, Any]) -> bytes:
    """Return the bytes of a delivery."""
    return json.dumps(event, indent=2).encode()
