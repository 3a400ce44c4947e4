"""What an error reporter, which sends the variables of every frame, is not given."""

from __future__ import annotations

import json
import traceback

import pytest

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.gateways.values import PaymentRef
from tests.test_gateways.accounts import intent_gateway
from tests.test_gateways.raw_server import RawServer, answering


def test_answer_that_cannot_be_read() -> None:
    body = json.dumps({"object": "payment_intent", "id": "pi_1", "client_secret": "pi_1_secret_x7", "amount": "odd"})
    with RawServer(answering(body.encode())) as server:
        gateway = intent_gateway(server.url)
        with pytest.raises(ProviderUnavailable) as caught:
            gateway.retrieve_payment(PaymentRef("pi_1", "pi_1", "USD"))
    # The first frame is this test's own.
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert "pi_1_secret_x7" not in "".join(frames).partition("retrieve_payment")[2].partition("in retrieve_payment")[2]
