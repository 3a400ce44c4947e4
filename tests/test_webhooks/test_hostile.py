"""Whatever is posted, to either provider's address: 4xx, or a kept row; never a 500, never a change."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_stripe_gateway.models import WebhookEvent
from tests.factories import as_body, intent_object, make_event, make_paid_payment, make_payment, session_object
from tests.fake_stripe.events import signature_header
from tests.test_webhooks.support import SECRET, money_rows, post, wsgi_request

pytestmark = pytest.mark.django_db

ADDRESSES = ("/api/v1/webhooks/stripe/", "/api/v1/webhooks/stripe/stripe/", "/api/v1/webhooks/paypal/")
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def event() -> dict[str, Any]:
    """Return an event that would confirm a payment, beside a payment that is paid already."""
    make_paid_payment()
    return make_event("checkout.session.completed", session_object(make_payment(transaction_id="cs_1")))


@FEW
@given(cut=st.floats(0, 1, exclude_max=True), address=st.sampled_from(ADDRESSES))
def test_truncated(event: dict[str, Any], cut: float, address: str) -> None:
    """Cut anywhere, signed as it is: a proxy may do that, too."""
    body = as_body(event)
    before = money_rows()
    assert post(body[: int(len(body) * cut)], url=address).status_code == 400
    assert money_rows() == before
    assert not WebhookEvent.objects.exists()


@FEW
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), address=st.sampled_from(ADDRESSES))
def test_forged(event: dict[str, Any], place: int, value: int, address: str) -> None:
    """One byte differs from what was signed."""
    body = as_body(event)
    place %= len(body)
    header = signature_header(body, SECRET, int(time.time()))
    forged = body[:place] + bytes([(body[place] + 1 + value % 255) % 256]) + body[place + 1 :]
    before = money_rows()
    assert post(forged, secret=None, url=address, HTTP_STRIPE_SIGNATURE=header).status_code == 400
    assert money_rows() == before
    assert not WebhookEvent.objects.exists()


@FEW
@given(body=st.binary(max_size=300), address=st.sampled_from(ADDRESSES))
def test_noise(event: dict[str, Any], body: bytes, address: str) -> None:
    assert post(body, url=address).status_code == 400
    assert post(body, secret=None, url=address).status_code == 400
    assert not WebhookEvent.objects.exists()


@FEW
@given(name=st.sampled_from(["id", "type", "data", "object", "livemode", "created", "account"]), value=json_values)
def test_any_value_anywhere(event: dict[str, Any], name: str, value: Any) -> None:
    """Signed, and strange: refused, or kept without an effect that the original would not have had."""
    answer = post(json.dumps(event | {name: value}).encode())
    assert answer.status_code in (200, 400)
    payments = type(make_payment()).objects
    assert set(payments.values_list("captured_amount", flat=True)) <= {0, 10}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("size", [1024 * 1024 + 1, 5 * 1024 * 1024])
def test_huge(event: dict[str, Any], address: str, size: int) -> None:
    body = as_body(event)
    before = money_rows()
    assert post(body + b" " * (size - len(body)), url=address).json()["code"] == "too_large"
    assert money_rows() == before
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("address", ADDRESSES)
def test_huge__length_that_lies(event: dict[str, Any], address: str) -> None:
    """A small length before a large body: what is read stops there, and no signature fits it."""
    request = wsgi_request(as_body(event), PATH_INFO=address, CONTENT_LENGTH="10")
    handler = BaseHandler()
    handler.load_middleware()
    assert handler.get_response(request).status_code == 400
    endless = wsgi_request(b"", PATH_INFO=address, CONTENT_LENGTH="9" * 30)
    endless.environ["wsgi.input"] = io.BytesIO(b"x")
    assert handler.get_response(endless).status_code == 400


@pytest.mark.parametrize("seconds", [-10_000, -301, 301, 10_000])
@pytest.mark.parametrize("address", ADDRESSES)
def test_stale_or_from_the_future(event: dict[str, Any], address: str, seconds: int) -> None:
    before = money_rows()
    assert post(as_body(event), url=address, timestamp=int(time.time()) + seconds).status_code == 400
    assert money_rows() == before


def test_wrong_mode_and_wrong_account__kept(event: dict[str, Any], settings: Any) -> None:
    """Genuine, and about a payment of another mode or account: kept for whoever looks into it."""
    before = money_rows()
    live = event | {"id": "evt_live", "livemode": True}
    assert post(as_body(live)).json()["state"] == "mismatched"
    other = make_payment(variant="other", transaction_id="pi_2", intent_id="pi_2")
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {
        "stripe": (provider, {}),
        "other": (provider, {"api_key": "sk_test_other", "endpoint_secret": "whsec_other"}),
    }
    foreign = make_event("payment_intent.succeeded", intent_object(other))
    assert post(as_body(foreign)).json()["state"] == "mismatched"
    other.refresh_from_db()
    assert other.status == "waiting"
    assert money_rows()[:2] == before[:2]
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"mismatched"}
