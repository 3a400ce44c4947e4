"""The one error shape, also for what nobody expected."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.utils import translation
from rest_framework.exceptions import ErrorDetail
from rest_framework.test import APIClient

from django_stripe_gateway.api.errors import first_error
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, ROOT, act, assert_error, body, create

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE = "django_stripe_gateway.api.payments.actions.create_payment"
SECRET = "sk_test_very_secret"


def raising(error: Exception) -> Any:
    """Return a function that raises."""

    def fail(**kwargs: Any) -> None:
        raise error

    return fail


@pytest.fixture
def calm_client(user: Any) -> APIClient:
    """Return the customer's client that sees a 500 as a browser does."""
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize("debug", [False, True])
def test_unexpected__500_without_a_traceback(
    calm_client: APIClient, monkeypatch: Any, settings: Any, caplog: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    monkeypatch.setattr(SERVICE, raising(RuntimeError(SECRET)))
    seen = []

    def receive(sender: Any, request: Any, **kwargs: Any) -> None:
        seen.append((sender.__name__, request.path))

    got_request_exception.connect(receive)
    try:
        answer = create(calm_client)
    finally:
        got_request_exception.disconnect(receive)
    error = assert_error(answer, 500, "internal_error")
    assert error["type"] == "api_error"
    assert SECRET not in answer.content.decode()
    assert seen == [("CreatePaymentView", CREATE)]
    record = next(record for record in caplog.records if record.name.startswith("django_stripe_gateway"))
    assert record.levelno == logging.ERROR
    assert record.exc_info


def test_not_configured__500_and_the_sentence_only_in_the_log(
    api_client: APIClient, settings: Any, caplog: Any
) -> None:
    settings.STRIPE_GATEWAY_API_KEY = ""
    answer = create(api_client)
    error = assert_error(answer, 500)
    assert error["type"] == "configuration_error"
    assert error["detail"] == "The payment gateway is not configured."
    assert "STRIPE_GATEWAY" not in answer.content.decode()
    assert "STRIPE_GATEWAY_API_KEY" in caplog.text


def test_key_revoked(stripe_server: FakeStripe, api_client: APIClient, caplog: Any) -> None:
    stripe_server.revoke_key("sk_test_fake")
    error = assert_error(create(api_client), 500, "provider_authentication")
    assert error["request_id"]
    assert "sk_test" not in caplog.text


def test_failure__the_log_names_the_payment(stripe_server: FakeStripe, api_client: APIClient, caplog: Any) -> None:
    payment_id = create(api_client).json()["payment_id"]
    stripe_server.revoke_key("sk_test_fake")
    assert_error(act(api_client, payment_id, "cancel_payment"), 500)
    assert f"payment {payment_id})" in caplog.text


def test_unknown_variant(api_client: APIClient, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {}
    assert_error(create(api_client), 500, "not_configured")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(SuspiciousOperation(SECRET), 400, "bad_request"), (PermissionDenied(SECRET), 403, "permission_denied")],
)
def test_django_errors(api_client: APIClient, monkeypatch: Any, error: Exception, status: int, code: str) -> None:
    monkeypatch.setattr(SERVICE, raising(error))
    answer = create(api_client)
    assert_error(answer, status, code)
    assert SECRET not in answer.content.decode()


def test_forged_host(stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
    settings.PAYMENT_HOST = None
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["shop.test"]
    answer = api_client.post(CREATE, body(), format="json", headers={"Host": "evil.test"})
    assert answer.status_code == 400
    assert stripe_server.requests == []


def test_logs_hold_nothing_private(stripe_server: FakeStripe, api_client: APIClient, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "django_stripe_gateway")
    stripe_server.fault("POST", "/v1/checkout/sessions", kind="error_500_before")
    create(api_client, description="Very private", metadata={"note": "secret note"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("django_stripe_gateway")]
    assert ours
    for private in ("Very private", "secret note", "sk_test", "ada@", "10.00"):
        assert private not in " ".join(ours)


def test_detail_is_translated(api_client: APIClient, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    with translation.override("en"):
        answer = api_client.get(f"{ROOT}payments/999/", headers={"Accept-Language": "de"})
    assert assert_error(answer, 404, "not_found")["detail"] == "Nicht gefunden."


@pytest.mark.parametrize(
    ("detail", "field", "code"),
    [
        ([ErrorDetail("a", "x")], "", "x"),
        ({"non_field_errors": [ErrorDetail("a", "x")]}, "", "x"),
        ({"name": [ErrorDetail("a", "x"), ErrorDetail("b", "y")]}, "name", "x"),
        ({"one": [], "two": [ErrorDetail("a", "x")]}, "two", "x"),
        ({"items": [{}, {"name": [ErrorDetail("a", "x")]}]}, "items.1.name", "x"),
        ({"items": {"1": [ErrorDetail("a", "x")]}}, "items.1", "x"),
        ({"address": {"non_field_errors": [ErrorDetail("a", "x")]}}, "address", "x"),
    ],
)
def test_first_error(detail: Any, field: str, code: str) -> None:
    found, error = first_error(detail)
    assert (found, error.code) == (field, code)
