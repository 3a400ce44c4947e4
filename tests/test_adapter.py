"""What a host decides: the defaults, what can be overridden, and what a wrong answer leads to."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from rest_framework.exceptions import NotAuthenticated

from django_stripe_gateway.adapter import ASKED_KEYS, PRICE_KEYS, Adapter, get_adapter
from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.services.subscriptions.details import owner_details
from django_stripe_gateway.services.usage.periods import time_zone_of

# What the adapter of these tests answers, whatever it is asked.
ANSWERS: dict[str, Any] = {}


class Answering(Adapter):
    """An adapter that answers what a test has prepared."""

    def get_owner(self, request: Any) -> Any:
        return ANSWERS["get_owner"]

    def customer_details(self, owner: Any) -> Any:
        return ANSWERS["customer_details"]

    def time_zone(self, owner: Any) -> Any:
        return ANSWERS["time_zone"]


@pytest.fixture
def answers(settings: Any) -> Any:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Answering"
    yield ANSWERS
    ANSWERS.clear()


def request_of(user: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_get_adapter__made_once_and_as_the_settings_say(settings: Any) -> None:
    default = get_adapter()
    assert type(default) is Adapter
    assert get_adapter() is default
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Answering"
    assert type(get_adapter()) is Answering
    settings.STRIPE_GATEWAY_ADAPTER = "django_stripe_gateway.adapter.Adapter"
    assert get_adapter() is default


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("shop.adapter.Missing", "cannot be imported"),
        ("nodots", "cannot be imported"),
        ("django_stripe_gateway.adapter.get_adapter", "no subclass of Adapter"),
        ("builtins.dict", "no subclass of Adapter"),
    ],
)
def test_get_adapter__wrong(path: str, problem: str, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = path
    with pytest.raises(GatewayConfigurationError, match=f"STRIPE_GATEWAY_ADAPTER names {path}, which .*{problem}"):
        get_adapter()


# Whose plan a request is about


@pytest.mark.django_db
def test_get_owner__default(user: Any) -> None:
    assert request_owner(request_of(user)) == user
    assert request_owner(request_of(SimpleLazyObject(lambda: user))) == user
    # Somebody whose token alone says who they are.
    stateless = SimpleNamespace(pk=5, is_authenticated=True)
    assert request_owner(request_of(stateless)) is stateless
    for nobody in (AnonymousUser(), None, type(user)()):
        with pytest.raises(NotAuthenticated):
            request_owner(request_of(nobody))
    with pytest.raises(NotAuthenticated):
        request_owner(RequestFactory().get("/"))


@pytest.mark.django_db
def test_get_owner__overridden(answers: dict[str, Any], user: Any, other_user: Any) -> None:
    answers["get_owner"] = other_user
    assert request_owner(request_of(user)) == other_user
    answers["get_owner"] = None
    with pytest.raises(NotAuthenticated):
        request_owner(request_of(user))


@pytest.mark.django_db
def test_get_owner__wrong_answer(answers: dict[str, Any], user: Any) -> None:
    # A group with the key of a user would be billed as that user.
    for answer, kind in ((Group(pk=user.pk), "Group"), (user.pk, "int"), ("ada", "str")):
        answers["get_owner"] = answer
        with pytest.raises(GatewayConfigurationError) as caught:
            request_owner(request_of(user))
        expected = f"must return an instance of auth.User or None, and returned a {kind}."
        assert caught.value.detail == f"get_owner() of {__name__}.Answering {expected}"


# What a provider gets to know of an owner


def test_customer_details__default() -> None:
    details = [
        Adapter().customer_details(owner)
        for owner in (
            SimpleNamespace(get_full_name=lambda: "Ada Lovelace", email="ada@example.com"),
            SimpleNamespace(name="Analysts", email="bills@example.com"),
            SimpleNamespace(),
        )
    ]
    assert details == [
        {"name": "Ada Lovelace", "email": "ada@example.com"},
        {"name": "Analysts", "email": "bills@example.com"},
        {"name": "", "email": ""},
    ]


def test_customer_details__overridden(answers: dict[str, Any]) -> None:
    owner = SimpleNamespace(pk=7)
    answers["customer_details"] = {"name": "x" * 300, "email": None}
    assert owner_details(owner) == {"name": "x" * 256, "email": "", "metadata": {"owner_id": "7"}}
    answers["customer_details"] = {}
    assert owner_details(owner) == {"name": "", "email": "", "metadata": {"owner_id": "7"}}


@pytest.mark.parametrize("answer", [None, "Ada", ["Ada", "ada@example.com"]])
def test_customer_details__wrong_answer(answer: Any, answers: dict[str, Any]) -> None:
    answers["customer_details"] = answer
    with pytest.raises(GatewayConfigurationError) as caught:
        owner_details(SimpleNamespace(pk=7))
    expected = f"customer_details() of {__name__}.Answering must return a dictionary of name and email."
    assert caught.value.detail == expected


# When an owner's day begins


def test_time_zone__default(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    assert Adapter().time_zone(SimpleNamespace(pk=7)) == ZoneInfo("Asia/Tokyo")
    assert time_zone_of(SimpleNamespace(pk=7)) == ZoneInfo("Asia/Tokyo")


def test_time_zone__overridden(answers: dict[str, Any], settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    berlin = ZoneInfo("Europe/Berlin")
    for answer, expected in ((berlin, berlin), ("Europe/Berlin", berlin), (None, "Asia/Tokyo"), ("", "Asia/Tokyo")):
        answers["time_zone"] = answer
        assert str(time_zone_of(SimpleNamespace(pk=7))) == str(expected)


@pytest.mark.parametrize("answer", [1, 2.5, ["Europe/Berlin"], object()])
def test_time_zone__wrong_answer(answer: Any, answers: dict[str, Any]) -> None:
    answers["time_zone"] = answer
    with pytest.raises(GatewayConfigurationError) as caught:
        time_zone_of(SimpleNamespace(pk=7))
    expected = "must return a tzinfo, the name of a time zone, or None."
    assert caught.value.detail == f"time_zone() of {__name__}.Answering {expected}"


# What a payment costs; the rest of it is tested with the API


def test_price_payment__default() -> None:
    price = {"amount": Decimal("10.00"), "currency": "USD", "description": "Tea", "capture_method": "manual"}
    assert set(price) == set(ASKED_KEYS) < set(PRICE_KEYS)
    # Whose money it becomes is not a client's to say, even where a serializer of the host's lets it through.
    others = {"gateway": "Stripe", "order_id": "17"} | dict.fromkeys(set(PRICE_KEYS) - set(ASKED_KEYS), "acct_1")
    assert Adapter().price_payment(None, {**price, **others}) == price
    least = {"amount": Decimal("10.00"), "currency": "USD"}
    assert Adapter().price_payment(None, least) == least
