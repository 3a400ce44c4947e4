from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.fake_stripe import forms, openapi
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.fixtures import assert_no_violations
from tests.test_fake_stripe.shop import Shop


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"amount": 2000, "currency": "usd", "colour": "red"}, "colour", "parameter_unknown"),
        ({"amount": "20.00", "currency": "usd"}, "amount", "parameter_invalid_integer"),
        ({"amount": 2000, "currency": "usd", "capture_method": "later"}, "capture_method", None),
        ({"amount": 2000, "currency": "usd", "confirm": "yes"}, "confirm", None),
        (
            {"amount": 2000, "currency": "usd", "automatic_payment_methods": {"allow_redirects": "never"}},
            "automatic_payment_methods[enabled]",
            "parameter_missing",
        ),
        (
            {"amount": 2000, "currency": "usd", "shipping": {"name": "A", "address": {"planet": "Mars"}}},
            "shipping[address][planet]",
            "parameter_unknown",
        ),
    ],
)
def test_violation(shop: Shop, params: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.create(params)
    assert (caught.value.http_status, caught.value.param, caught.value.code) == (400, param, code)
    (violation,) = shop.fake.take_violations()
    assert (violation.method, violation.path, violation.param) == ("POST", "/v1/payment_intents", param)
    assert shop.fake.violations == []


def test_violation__fails_the_test_that_caused_it(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.refunds.create({"colour": "red"})
    with pytest.raises(AssertionError, match="colour"):
        assert_no_violations(shop.fake)
    shop.fake.take_violations()


def test_violation__unknown_url(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        shop.client().raw_request("get", "/v1/payment_intents_of_mine")
    assert len(shop.fake.take_violations()) == 1


def test_violation__not_implemented_by_the_fake(shop: Shop) -> None:
    with pytest.raises(stripe.APIError, match="does not implement"):
        shop.v1.charges.capture("ch_1")
    assert len(shop.fake.take_violations()) == 1


@pytest.mark.parametrize(
    ("version", "accepted"), [("2026-08-26.dahlia", True), ("2025-09-30.clover", True), ("2026-10-28.endive", False)]
)
def test_payment_method_types__went_with_endive(shop: Shop, version: str, accepted: bool) -> None:
    client = shop.client(stripe_version=version).v1
    params = {"amount": 2000, "currency": "usd", "payment_method_types": ["card"]}
    if accepted:
        assert client.payment_intents.create(params).payment_method_types == ["card"]
        return
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.payment_intents.create(params)
    assert caught.value.code == "payment_method_types_no_longer_supported"
    assert len(shop.fake.take_violations()) == 1


@pytest.mark.parametrize(
    ("form", "decoded"),
    [
        ("a=1&b[c]=2&b[d][e]=3", {"a": "1", "b": {"c": "2", "d": {"e": "3"}}}),
        ("a[0][b]=x&a[1][b]=y", {"a": {"0": {"b": "x"}, "1": {"b": "y"}}}),
        ("a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}),
        ("a%5Bb%5D=%26+%3D", {"a": {"b": "& ="}}),
        ("a=", {"a": ""}),
    ],
)
def test_forms(form: str, decoded: dict[str, Any]) -> None:
    assert forms.decode(form) == decoded


@pytest.mark.parametrize("form", ["a[b=1", "[a]=1", "a=1&a[b]=2"])
def test_forms__malformed(form: str) -> None:
    with pytest.raises(ValueError, match="parameter"):
        forms.decode(form)


def test_coerce__any_of() -> None:
    schema = {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string", "enum": [""]}]}
    assert openapi.coerce({"0": "1", "1": "2"}, schema, "a") == [1, 2]
    assert openapi.coerce("", schema, "a") == ""
    with pytest.raises(ApiError) as caught:
        openapi.coerce({"0": "x"}, schema, "a")
    assert caught.value.param == "a[0]"
