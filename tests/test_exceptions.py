"""The errors: one shape, right statuses, stable codes."""

from __future__ import annotations

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.exceptions import GatewayError

CLASSES = [value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, GatewayError)]
STATUSES = {
    "GatewayError": 500,
    "GatewayConfigurationError": 500,
    "InvalidInput": 400,
    "InvalidAmount": 400,
    "UnsupportedCurrency": 400,
    "UnknownGateway": 400,
    "PaymentDeclined": 402,
    "WrongState": 409,
    "OperationInProgress": 409,
    "IdempotencyKeyReused": 409,
    "UnsupportedByGateway": 501,
    "ProviderError": 502,
    "ProviderUnavailable": 502,
    "ProviderTimeout": 504,
    "WebhookRejected": 400,
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_status(name: str, status: int) -> None:
    assert getattr(exceptions, name).status_code == status


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda value: value.__name__)
def test_shape(error_class: type[GatewayError]) -> None:
    error = error_class("Do that.")
    assert error.as_dict() == {"type": error_class.type, "code": error_class.default_code, "detail": "Do that."}
    assert str(error) == "Do that."
    full = error_class("Do that.", code="c", field="f", request_id="req_1", decline_code="d").as_dict()
    assert full == {
        "type": error_class.type,
        "code": "c",
        "detail": "Do that.",
        "field": "f",
        "request_id": "req_1",
        "decline_code": "d",
    }


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda value: value.__name__)
def test_every_error__is_documented(error_class: type[GatewayError]) -> None:
    assert error_class.__doc__
    assert 400 <= error_class.status_code < 600
    assert error_class.default_code.replace("_", "").isalpha()


def test_unavailable__says_whether_the_key_can_be_used_again() -> None:
    assert exceptions.ProviderUnavailable("x").replayable
    assert not exceptions.ProviderTimeout("x", replayable=False).replayable
