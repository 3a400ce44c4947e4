"""What an event's object belongs to, by which it is found when that becomes known."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.webhooks.events import Event, related_id


def up(kind: str, object_id: str) -> dict[str, str]:
    """Return a link of PayPal's to what an object belongs to."""
    return {"rel": "up", "href": f"https://api.paypal.com/v2/payments/{kind}/{object_id}"}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"id": "CAP", "supplementary_data": {"related_ids": {"order_id": "ORDER"}}}, "ORDER"),
        ({"id": "CAP", "links": [up("authorizations", "AUTH")]}, "AUTH"),
        ({"id": "REF", "links": [up("captures", "CAP")]}, "CAP"),
        ({"id": "SALE", "parent_payment": "PAY-1"}, "PAY-1"),
        ({"id": "REF", "sale_id": "SALE"}, "SALE"),
        ({"id": "ORDER"}, ""),
        ({"id": "REF", "sale_id": "no id", "parent_payment": 5}, ""),
    ],
)
def test_paypal(obj: dict[str, Any], expected: str) -> None:
    assert related_id(Event(id="WH-1", type="PAYMENT.X", provider="paypal", object=obj)) == expected


@pytest.mark.parametrize("parent", [None, "", 5, {"id": None}, {}, "no id", "x" * 300])
def test_stripe__malformed(parent: Any) -> None:
    assert related_id(Event(id="evt_1", type="x.y", provider="stripe", object={"payment_intent": parent})) == ""
