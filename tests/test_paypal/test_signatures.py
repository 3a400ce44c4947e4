from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_stripe_gateway.conf import PAYPAL_PROVIDER
from django_stripe_gateway.models import WebhookEvent
from tests.fake_paypal.adapter import ToFake
from tests.fake_paypal.server import WEBHOOK_ID
from tests.test_paypal.conftest import URL, Shop, refused
from tests.test_webhooks.support import money_rows

pytestmark = pytest.mark.django_db(transaction=True)


def test_genuine(shop: Shop, event: Any) -> None:
    assert shop.deliver(event) == ["ignored"]
    row = WebhookEvent.objects.get()
    assert (row.provider, row.variant, row.event_id, row.object_id) == ("paypal", "paypal", event["id"], "ACC1")
    assert (row.type, row.api_version) == ("CUSTOMER.ACCOUNT.CREATED", "2.0")
    assert row.occurred is not None
    assert row.payload == event
    assert "Paypal-Transmission-Sig" not in row.headers
    assert row.headers["Paypal-Transmission-Id"]


def test_replayed__has_no_second_effect(shop: Shop, event: Any) -> None:
    body = json.dumps(event).encode()
    headers = shop.fake.headers(body)
    for _ in range(3):
        assert shop.post(body, headers=headers).status_code == 200
    assert WebhookEvent.objects.get().attempts == 1


@pytest.mark.parametrize(
    "signing",
    [
        {"webhook_id": "another"},
        {"webhook_id": ""},
        {"crc": "1"},
        {"crc": "0x1"},
        {"time": "2020-01-01T10:00:00Z"},
        {"time": "2099-01-01T10:00:00Z"},
        {"time": "yesterday"},
        {"time": "2026-11-02"},
        {"time": "2026-13-02T10:00:00Z"},
        {"transmission_id": "a|b"},
        {"transmission_id": ""},
        {"Paypal-Transmission-Id": "69cd13f0-d67a-11e5-baa3-000000000000"},
        {"Paypal-Transmission-Time": "2026-11-02T10:00:00Z"},
        {"Paypal-Transmission-Sig": "A" * 344},
        {"Paypal-Transmission-Sig": "A" * 345},
        {"Paypal-Transmission-Sig": ""},
        {"Paypal-Auth-Algo": "SHA1withRSA"},
        {"Paypal-Auth-Algo": "none"},
        {"Paypal-Auth-Algo": ""},
    ],
    ids=str,
)
def test_transmission__not_genuine(shop: Shop, event: Any, signing: dict[str, str]) -> None:
    refused(shop, event, **signing)


def test_transmission__body_changed(shop: Shop, event: Any) -> None:
    body = json.dumps(event).encode()
    refused(shop, body.replace(b"ACC1", b"ACC2"), headers=shop.fake.headers(body))


def test_transmission__no_headers(shop: Shop, event: Any) -> None:
    refused(shop, event, headers={"X-Nothing": "1"})


def test_transmission__as_old_as_paypals_last_try(shop: Shop, event: Any) -> None:
    moment = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert shop.post(event, time=moment).status_code == 200


def test_transmission__too_old_or_too_new(shop: Shop, event: Any) -> None:
    for ago in (timedelta(days=4, minutes=1), -timedelta(minutes=6)):
        refused(shop, event, time=(datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ"))


def test_transmission__tolerance(shop: Shop, event: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_TOLERANCE = 60
    refused(shop, event, time=(datetime.now(UTC) - timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ"))


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=400)
            for name in (
                "Paypal-Transmission-Id",
                "Paypal-Transmission-Time",
                "Paypal-Transmission-Sig",
                "Paypal-Cert-Url",
                "Paypal-Auth-Algo",
            )
        },
    ),
    st.binary(max_size=200),
)
def test_transmission__any_headers_and_body(shop: Shop, headers: dict[str, str], body: bytes) -> None:
    genuine = shop.fake.headers(body)
    answer = shop.post(body, headers=genuine | headers)
    assert answer.status_code == 400
    assert WebhookEvent.objects.count() == 0


def test_webhook_ids__several(shop: Shop, event: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_ID = f"NEW1, {WEBHOOK_ID}"
    assert shop.post(event).status_code == 200
    assert shop.post(shop.fake.event("X.Y", "x", {"id": "1"}), webhook_id="NEW1").status_code == 200


def test_webhook_ids__none(shop: Shop, event: Any, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_ID = ""
    caplog.set_level(logging.ERROR)
    refused(shop, event)
    refused(shop, event, webhook_id="")
    assert "STRIPE_GATEWAY_PAYPAL_WEBHOOK_ID" in caplog.text


def test_webhook_ids__of_variants(shop: Shop, event: Any, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {
        "paypal-eu": (PAYPAL_PROVIDER, {"client_id": "eu", "webhook_id": "EU1"})
    }
    assert shop.post(event, webhook_id="EU1").status_code == 200
    assert WebhookEvent.objects.get().variant == "paypal-eu"
    other = shop.fake.event("X.Y", "x", {"id": "1"})
    assert shop.post(other, url=f"{URL}paypal-eu/").status_code == 400
    assert shop.post(other, url=f"{URL}paypal/").status_code == 200
    assert shop.post(other, url=f"{URL}stripe/").status_code == 404
    assert shop.post(other, url=f"{URL}nobody/").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"id": "WH-1"}',
        b'{"id": "WH-1", "event_type": "X.Y"}',
        b'{"id": "WH-1", "event_type": "X.Y", "resource": []}',
        b'{"id": "WH-1", "event_type": 7, "resource": {}}',
        b'{"id": 7, "event_type": "X.Y", "resource": {}}',
        b'{"id": "evt_1", "type": "charge.refunded", "data": {"object": {}}}',
        b"[" * 20_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_body__no_event(shop: Shop, body: bytes) -> None:
    answer = shop.post(body)
    assert answer.status_code == 400
    assert WebhookEvent.objects.count() == 0


def test_body__huge_or_cut(shop: Shop, event: Any) -> None:
    """Signed as it is: refused, stored nowhere, and without an effect."""
    body = json.dumps(event).encode()
    before = money_rows()
    assert shop.post(body + b" " * 1024 * 1024).json()["code"] == "too_large"
    for cut in range(0, len(body), max(1, len(body) // 25)):
        assert shop.post(body[:cut]).status_code == 400
    assert WebhookEvent.objects.count() == 0
    assert money_rows() == before


# Asking PayPal


@pytest.fixture
def ask_paypal(settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_VERIFICATION = "api"


@pytest.mark.usefixtures("ask_paypal")
def test_api__genuine(shop: Shop, certificates: ToFake) -> None:
    body = b'{ "resource": {"id":"A", "note":"\\u00e9 / \\/"},"event_type":"X.Y",  "id":"WH-9"}'
    assert shop.post(body).status_code == 200
    assert certificates.asked == []
    assert shop.fake.requests[-1].path == "/v1/notifications/verify-webhook-signature"


@pytest.mark.usefixtures("ask_paypal")
def test_api__not_genuine(shop: Shop, event: Any) -> None:
    refused(shop, event, webhook_id="another")
    refused(shop, event, cert_url="https://evil.com/v1/notifications/certs/CERT-1")
    refused(shop, b"not json")
    refused(shop, b'{}, "webhook_id": "x"')


@pytest.mark.usefixtures("ask_paypal")
def test_api__paypal_is_silent(shop: Shop, event: Any) -> None:
    shop.fake.fault("POST", "/v1/notifications/verify-webhook-signature", kind="error_500_before")
    refused(shop, event, status=503)
    assert shop.deliver(event) == ["ignored"]


def test_verification__unknown_way(shop: Shop, event: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_VERIFICATION = "none"
    refused(shop, event)
