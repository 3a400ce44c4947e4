from __future__ import annotations

import json
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.gateways.values import PaymentRef
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.accounts import intent_gateway, make_request, new_key
from tests.test_gateways.raw_server import RawServer, answering


def test_list_refunds__that_never_ends(monkeypatch: Any) -> None:
    monkeypatch.setattr("django_stripe_gateway.gateways.stripe.calls.MAX_PAGES", 3)
    refund = {"id": "re_1", "object": "refund", "amount": 1, "currency": "usd", "payment_intent": "pi_1"}
    body = json.dumps({"object": "list", "data": [refund], "has_more": True}).encode()
    with RawServer(answering(body)) as server:
        with pytest.raises(ProviderUnavailable):
            intent_gateway(server.url).list_refunds(PaymentRef("pi_1", "pi_1", "USD"))
        assert len(server.requests) == 3
        assert b"starting_after=re_1" in server.requests[1]


def test_list_refunds__pages(fake_stripe: FakeStripe) -> None:
    gateway = intent_gateway(fake_stripe.url)
    created = gateway.create_payment(make_request("20.00"), idempotency_key=new_key())
    ref = PaymentRef(created.object_id, created.object_id, "USD")
    gateway.confirm_payment(ref, make_request(), idempotency_key=new_key())
    for _ in range(105):
        fake_stripe.dashboard_refund(ref.intent_id, 1)
    found = gateway.list_refunds(ref)
    assert len({refund.refund_id for refund in found}) == len(found) == 105


def test_list_refunds__leaves_out_what_localstripe_released() -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 1, "currency": "usd", "payment_intent": "pi_1"}
    released = refund | {"id": "re_2", "payment_intent": None}
    body = json.dumps({"object": "list", "data": [refund, released], "has_more": False}).encode()
    with RawServer(answering(body)) as server:
        found = intent_gateway(server.url).list_refunds(PaymentRef("pi_1", "pi_1", "USD"))
    assert [snapshot.refund_id for snapshot in found] == ["re_1"]
