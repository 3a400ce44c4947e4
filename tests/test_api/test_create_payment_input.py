"""``POST payments/create_payment/``: what it refuses, and how."""

from __future__ import annotations

import json
from typing import Any

import pytest
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.models import PaymentGatewayConfig
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, assert_error, body, create

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_is_made(stripe_server: FakeStripe) -> Any:
    yield
    assert stripe_server.requests == []
    assert not get_payment_model().objects.exists()


AMOUNTS = [
    ("0", "USD", "invalid_amount"),
    ("0.00", "USD", "invalid_amount"),
    (0, "USD", "invalid_amount"),
    ("-1", "USD", "invalid_amount"),
    (-5, "USD", "invalid_amount"),
    ("-0.01", "USD", "invalid_amount"),
    ("10.001", "USD", "invalid_amount"),
    ("10.5", "JPY", "invalid_amount"),
    ("5.50", "UGX", "invalid_amount"),
    ("1.234", "KWD", "invalid_amount"),
    ("99999999999.00", "USD", "invalid_amount"),
    ("1000000000000", "JPY", "invalid_amount"),
    ("1" * 21, "USD", "invalid"),
    ("1" * 5000, "USD", "invalid"),
    ("0." + "0" * 30 + "1", "USD", "invalid"),
    ("1e3", "USD", "invalid"),
    (1e30, "USD", "invalid"),
    ("NaN", "USD", "invalid"),
    ("Infinity", "USD", "invalid"),
    ("", "USD", "invalid"),
    ("  ", "USD", "invalid"),
    ("ten", "USD", "invalid"),
    ("10,00", "USD", "invalid"),
    ("1_0", "USD", "invalid"),
    ("٣", "USD", "invalid"),
    ("10.00\x00", "USD", "invalid"),
    (True, "USD", "invalid"),
    (None, "USD", "null"),
    ([10], "USD", "invalid"),
    ({"value": 10}, "USD", "invalid"),
]


@pytest.mark.parametrize(("amount", "currency", "code"), AMOUNTS)
def test_amount(api_client: APIClient, amount: Any, currency: str, code: str) -> None:
    assert_error(create(api_client, amount=amount, currency=currency), 400, code, "amount")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e9999999999999999999", "1" * 5000, "01", "+1"])
def test_amount__json_that_is_none(api_client: APIClient, literal: str) -> None:
    raw = json.dumps(body(amount="?")).replace('"?"', literal)
    assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400, "parse_error")


@pytest.mark.parametrize("literal", ["1e3", "1E+30", "1e-400", "1.5e999999999"])
def test_amount__exponents(api_client: APIClient, literal: str) -> None:
    raw = json.dumps(body(amount="?")).replace('"?"', literal)
    assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400, "invalid", "amount")


@pytest.mark.parametrize(
    ("currency", "code"),
    [
        ("XYZ", "unsupported_currency"),
        ("US", "unsupported_currency"),
        ("DOLLAR", "unsupported_currency"),
        ("", "blank"),
        ("X" * 17, "max_length"),
        ("US\x00", "null_characters_not_allowed"),
        (None, "null"),
        (["USD"], "invalid"),
        (True, "invalid"),
    ],
)
def test_currency(api_client: APIClient, currency: Any, code: str) -> None:
    assert_error(create(api_client, currency=currency), 400, code, "currency")


def test_gateway__unknown(api_client: APIClient) -> None:
    assert_error(create(api_client, gateway="Cash"), 400, "unknown_gateway", "gateway")


def test_gateway__inactive(api_client: APIClient) -> None:
    PaymentGatewayConfig.objects.update(is_active=False)
    assert_error(create(api_client), 400, "unknown_gateway", "gateway")


@pytest.mark.parametrize("field", ["gateway", "amount", "currency"])
def test_required(api_client: APIClient, field: str) -> None:
    data = body()
    del data[field]
    assert_error(api_client.post(CREATE, data), 400, "required", field)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("gateway", "x" * 65, "max_length"),
        ("gateway", "a\x00b", "null_characters_not_allowed"),
        ("description", "x" * 1001, "max_length"),
        ("description", {"a": 1}, "invalid"),
        ("description", "a\x00b", "null_characters_not_allowed"),
        ("order_id", "x" * 256, "max_length"),
        ("order_id", "a\x00b", "null_characters_not_allowed"),
        ("order_id", "\ud800", "surrogate_characters_not_allowed"),
        ("capture_method", "later", "invalid_choice"),
        ("capture_method", [], "invalid_choice"),
        ("payment_method", "pm card", "invalid"),
        ("payment_method", "", "blank"),
        ("payment_method", "pm\nx", "invalid"),
        ("confirm", "perhaps", "invalid"),
        ("confirm", None, "null"),
    ],
)
def test_field(api_client: APIClient, field: str, value: Any, code: str) -> None:
    # Escaped: the test client's own JSON cannot hold half a character.
    raw = json.dumps(body(**{field: value}))
    assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400, code, field)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ("text", "not_an_object"),
        ([1], "not_an_object"),
        (None, "null"),
        ({"a": {"b": 1}}, "invalid_value"),
        ({"a": [1]}, "invalid_value"),
        ({"a": None}, "invalid_value"),
        ({"a": "x" * 501}, "invalid_value"),
        ({"a": "\x00"}, "invalid_value"),
        ({"a": "\udfff"}, "invalid_value"),
        ({"a": 10**30}, "invalid_value"),
        ({"a": 1e300}, "invalid_value"),
        ({"": "x"}, "invalid_key"),
        ({"k" * 41: "x"}, "invalid_key"),
        ({"k\x00": "x"}, "invalid_key"),
        ({f"k{number}": "x" for number in range(51)}, "too_many_keys"),
    ],
)
def test_metadata(api_client: APIClient, metadata: Any, code: str) -> None:
    raw = json.dumps(body(metadata=metadata))
    assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400, code, "metadata")


@pytest.mark.parametrize("number", ["1e1000000", "-1e1000000", "1.5e999999999999999999"])
@pytest.mark.parametrize(
    "field",
    ["gateway", "amount", "currency", "description", "order_id", "capture_method", "payment_method", "metadata"],
)
def test_number__of_any_size(api_client: APIClient, field: str, number: str) -> None:
    raw = json.dumps(body(**{field: {"a": "NUMBER"} if field == "metadata" else "NUMBER"}))
    answer = api_client.post(CREATE, raw.replace('"NUMBER"', number), content_type="application/json")
    assert answer.status_code == 400, answer.content


@pytest.mark.parametrize("raw", ["[]", "null", '"text"', "1", "[1, 2]", "true"])
def test_body__no_object(api_client: APIClient, raw: str) -> None:
    error = assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400)
    assert "field" not in error


@pytest.mark.parametrize(
    "raw", ["{", "", "{'a': 1}", '{"amount": }', "[" * 100_000, b"\xff\xfe{}", b'{"a": "\xff"}', "{}}", "{} {}"]
)
def test_body__no_json(api_client: APIClient, raw: Any) -> None:
    assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400)


def test_body__too_large(api_client: APIClient) -> None:
    raw = '{"description": "%s"}' % ("x" * 2_700_000)
    assert_error(api_client.post(CREATE, raw, content_type="application/json"), 400, "request_too_large")


def test_body__limit_of_the_host(api_client: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 20
    assert_error(create(api_client), 400, "request_too_large")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_body__other_media_type(api_client: APIClient, content_type: str) -> None:
    answer = api_client.post(CREATE, "amount=10", content_type=content_type)
    assert_error(answer, 415, "unsupported_media_type")


def test_accept__nothing_we_can_write(api_client: APIClient) -> None:
    assert_error(api_client.post(CREATE, body(), headers={"Accept": "image/png"}), 406, "not_acceptable")
