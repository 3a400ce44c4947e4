"""Requests that many tests make."""

from __future__ import annotations

from typing import Any

import requests
from rest_framework.test import APIClient

ROOT = "/api/v1/"
CREATE = f"{ROOT}payments/create_payment/"


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a good ``create_payment``."""
    return {"gateway": "Stripe", "amount": "10.00", "currency": "USD"} | fields


def create(client: APIClient, key: str | None = None, **fields: Any) -> Any:
    """Post ``create_payment``."""
    return post(client, CREATE, body(**fields), key)


def act(client: APIClient, payment_id: Any, action: str, data: Any = None, key: str | None = None) -> Any:
    """Post an action on a payment."""
    return post(client, f"{ROOT}payments/{payment_id}/{action}/", data or {}, key)


def post(client: APIClient, path: str, data: Any, key: str | None = None) -> Any:
    """Post JSON, with an idempotency key if there is one."""
    return client.post(path, data, format="json", headers={"Idempotency-Key": key} if key is not None else {})


def card_that_asks(localstripe: str) -> str:
    """Return a payment method of localstripe's whose customer has to authenticate."""
    card = {"number": "4000002500003155", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
    data = {"type": "card"} | {f"card[{name}]": value for name, value in card.items()}
    answer = requests.post(f"{localstripe}/v1/payment_methods", data=data, auth=("sk_test_123", ""), timeout=10)
    method: str = answer.json()["id"]
    return method


def assert_error(response: Any, status: int, code: str | None = None, field: str | None = None) -> dict[str, Any]:
    """Check that ``response`` is an error in the one shape, and return it."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"].startswith("application/json"), response["Content-Type"]
    error: dict[str, Any] = response.json()
    assert {"type", "code", "detail"} <= set(error)
    assert set(error) <= {"type", "code", "detail", "field", "request_id", "decline_code", "payment_id"}
    assert all(isinstance(error[name], str) and error[name] for name in ("type", "code", "detail"))
    if code is not None:
        assert error["code"] == code, error
    if field is not None:
        assert error.get("field") == field, error
    text = response.content.decode()
    assert "Traceback" not in text
    assert "sk_test" not in text
    return error
