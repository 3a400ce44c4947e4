"""When PayPal's objects say that money has moved."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from django_stripe_gateway.gateways.paypal.objects import order_snapshot, refund_snapshot

AMOUNT = {"value": "10.00", "currency_code": "USD"}
MADE, CHANGED = "2026-09-01T10:00:00Z", "2026-09-03T10:00:00Z"


def test_refund() -> None:
    refund = {"id": "R1", "amount": AMOUNT, "status": "COMPLETED", "create_time": MADE}
    assert refund_snapshot(refund, "C1").created == datetime(2026, 9, 1, 10, tzinfo=UTC)
    assert refund_snapshot({**refund, "create_time": "soon"}, "C1").created is None


def test_refund__without_time_zones(settings: Any) -> None:
    settings.USE_TZ = False
    refund = {"id": "R1", "amount": AMOUNT, "status": "COMPLETED", "create_time": MADE}
    created = refund_snapshot(refund, "C1").created
    assert created is not None
    assert created.tzinfo is None


@pytest.mark.parametrize(("status", "charged"), [("COMPLETED", 3), ("PENDING", None)])
def test_capture(status: str, charged: int | None) -> None:
    capture = {"id": "C1", "amount": AMOUNT, "status": status, "create_time": MADE, "update_time": CHANGED}
    order = {
        "id": "O1",
        "status": "COMPLETED",
        "purchase_units": [{"amount": AMOUNT, "payments": {"captures": [capture]}}],
    }
    expected = None if charged is None else datetime(2026, 9, charged, 10, tzinfo=UTC)
    assert order_snapshot(order).charged == expected
