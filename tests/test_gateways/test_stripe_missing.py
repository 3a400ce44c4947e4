"""By what it is known that Stripe, or localstripe, has no such object."""

from __future__ import annotations

import pytest

from django_stripe_gateway.exceptions import ProviderError
from tests.test_gateways.raw_server import RawServer
from tests.test_gateways.test_stripe_errors import CALLS, caught, refusal


@pytest.mark.parametrize(
    ("status", "details", "is_missing"),
    [
        ("400 Bad Request", {"code": "resource_missing"}, True),
        ("404 Not Found", {"message": "Not Found"}, True),
        ("400 Bad Request", {}, False),
        ("404 Not Found", {"message": "Unrecognized request URL (GET: /v1/v1/payment_intents/pi_1)."}, False),
    ],
)
def test_missing_object(status: str, details: dict[str, str], is_missing: bool) -> None:
    """localstripe sends no code. An address that Stripe does not have says nothing of the object."""
    with RawServer(refusal(status, **details)) as server:
        error = caught(CALLS["retrieve"], server.url)
    assert isinstance(error, ProviderError)
    assert error.is_missing is is_missing
