"""What a host may not add, however it is written; and what it may."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import gettext_lazy

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.registry import get_billing_gateway, get_gateway
from django_stripe_gateway.gateways.stripe.further_params import merged
from django_stripe_gateway.gateways.stripe.owned_params import NOUNS, OWNED
from django_stripe_gateway.services.further_params import ask_host, storable
from tests.test_further_params.adding import ADDED

OWN = ("payment_id", "token", "order_id", "attempt")
PAGE = CallKind.PAYMENT_PAGE

REFUSED: list[tuple[CallKind, dict[str, Any], str]] = [
    (PAGE, {"line_items": [{"price": "price_1", "quantity": 1}]}, "line_items"),
    (PAGE, {"mode": "setup"}, "mode"),
    (PAGE, {"customer": "cus_1"}, "customer"),
    (PAGE, {"client_reference_id": "mine"}, "client_reference_id"),
    (PAGE, {"optional_items": [{"price": "price_1"}]}, "optional_items"),
    (PAGE, {"success_url": "https://elsewhere.example.com"}, "success_url"),
    (PAGE, {"ui_mode": "embedded_page", "return_url": "https://elsewhere.example.com"}, "return_url"),
    (PAGE, {"expires_at": 1}, "expires_at"),
    (PAGE, {"after_expiration": {"recovery": {"enabled": True}}}, "after_expiration"),
    (PAGE, {"payment_intent_data": {"capture_method": "manual"}}, "payment_intent_data.capture_method"),
    (PAGE, {"payment_intent_data": None}, "payment_intent_data"),
    (PAGE, {"payment_intent_data": ""}, "payment_intent_data"),
    (PAGE, {"payment_method_options": {"card": {"capture_method": "manual"}}}, "card.capture_method"),
    (PAGE, {"metadata": {"token": "another"}}, "metadata.token"),
    (PAGE, {"metadata": ""}, "metadata"),
    (PAGE, {"metadata": None}, "metadata"),
    (PAGE, {"metadata": {"a": 1}}, "metadata.a"),
    (PAGE, {"metadata": {"a": "x" * 501}}, "metadata.a"),
    (PAGE, {"metadata": {"a[b]": "x"}}, "metadata.a"),
    (PAGE, {"metadata": {str(number): "x" for number in range(47)}}, "of which 46 are yours"),
    (PAGE, {"payment_intent_data": {"metadata": {"token": "another"}}}, "payment_intent_data.metadata.token"),
    # The same, written otherwise.
    (PAGE, {"payment_intent_data.metadata.token": "another"}, "is spelt so"),
    (PAGE, {"payment_intent_data[metadata][token]": "another"}, "is spelt so"),
    (PAGE, {"line_items[0][price]": "price_1"}, "is spelt so"),
    (PAGE, {"Line_Items": []}, "is spelt so"),
    (PAGE, {" mode": "setup"}, "is spelt so"),
    (PAGE, {"custom_text": {"submit[message]": "x"}}, "is spelt so"),
    (PAGE, {"custom_fields": [{"key][0": "x"}]}, "is spelt so"),
    (PAGE, {"expand": ["payment_intent"]}, "expand"),
    (PAGE, {"stripe_account": "acct_1"}, "stripe_account"),
    (PAGE, {"idempotency_key": "mine"}, "idempotency_key"),
    (PAGE, {"headers": {"Stripe-Account": "acct_1"}}, "headers"),
    (PAGE, {"ui_mode": "inside_out"}, "ui_mode"),
    (CallKind.PAYMENT, {"amount": 1}, "amount"),
    (CallKind.PAYMENT, {"confirm": True}, "confirm"),
    (CallKind.CONFIRMATION, {"payment_method": "pm_1"}, "payment_method"),
    (CallKind.CHARGE, {"off_session": False}, "off_session"),
    (CallKind.CHARGE, {"setup_future_usage": "off_session"}, "setup_future_usage"),
    (CallKind.REFUND, {"amount": 1}, "amount"),
    (PAGE, {"payment_intent_data": {"transfer_data": {"destination": "acct_1"}}}, "payment_intent_data.transfer_data"),
    (PAGE, {"payment_intent_data": {"on_behalf_of": "acct_1"}}, "payment_intent_data.on_behalf_of"),
    (PAGE, {"payment_intent_data": {"application_fee_amount": 1}}, "payment_intent_data.application_fee_amount"),
    *(
        (kind, params, next(iter(params)))
        for kind in (CallKind.PAYMENT, CallKind.CONFIRMATION)
        for params in (
            {"transfer_data": {"destination": "acct_1"}},
            {"on_behalf_of": "acct_1"},
            {"application_fee_amount": 1},
        )
    ),
    (CallKind.REFUND, {"reverse_transfer": True}, "reverse_transfer"),
    (CallKind.REFUND, {"refund_application_fee": False}, "refund_application_fee"),
    (CallKind.CUSTOMER, {"balance": -500}, "balance"),
    (CallKind.CUSTOMER, {"invoice_settings": {"default_payment_method": "pm_1"}}, "default_payment_method"),
    (CallKind.SUBSCRIPTION, {"items": []}, "items"),
    (CallKind.SUBSCRIPTION, {"trial_end": "now"}, "trial_end"),
    (CallKind.SUBSCRIPTION_PAGE, {"subscription_data": {"trial_period_days": 30}}, "trial_period_days"),
    (CallKind.SUBSCRIPTION_PAGE, {"subscription_data": {"items": []}}, "subscription_data.items"),
    (CallKind.SUBSCRIPTION_PAGE, {"allow_promotion_codes": True}, "allow_promotion_codes"),
    (CallKind.PORTAL, {"return_url": "https://elsewhere.example.com"}, "return_url"),
    (CallKind.PRICE, {"unit_amount": 1}, "unit_amount"),
]
TAKEN: list[tuple[CallKind, dict[str, Any]]] = [
    (PAGE, {"payment_intent_data": {"transfer_group": "order_7", "setup_future_usage": "off_session"}}),
    (PAGE, {"metadata": {str(number): "x" for number in range(46)}}),
    (PAGE, {"custom_text": {"submit": {"message": "Thank you"}}, "ui_mode": "embedded_page"}),
    (PAGE, {"automatic_tax": {"enabled": True}, "shipping_options": [{"shipping_rate": "shr_1"}]}),
    (CallKind.SUBSCRIPTION, {"payment_settings": {"payment_method_types": ["card"]}}),
    (CallKind.PORTAL, {"configuration": "bpc_1", "flow_data": {"type": "payment_method_update"}}),
]


def check(kind: CallKind, params: dict[str, Any]) -> None:
    get_gateway("stripe").check_further_params(kind, params, own_metadata=OWN)


@pytest.mark.parametrize(("kind", "params", "named"), REFUSED)
def test_refused(kind: CallKind, params: dict[str, Any], named: str) -> None:
    with pytest.raises(GatewayConfigurationError) as caught:
        check(kind, params)
    assert named in caught.value.detail
    assert f" for {NOUNS[kind]}, which it must not: " in caught.value.detail


@pytest.mark.parametrize(("kind", "params"), TAKEN)
def test_taken(kind: CallKind, params: dict[str, Any]) -> None:
    check(kind, params)


def test_every_call_has_its_list() -> None:
    assert set(OWNED) == set(NOUNS) == set(CallKind)


def test_gateway_that_takes_none(settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {"paypal": ("django_stripe_gateway.providers.PayPalProvider", {})}
    ADDED[PAGE] = {"locale": "de"}
    further = ask_host(PAGE, get_gateway, "paypal")
    with pytest.raises(GatewayConfigurationError, match=r"locale .* provider 'paypal', whose gateway takes no further"):
        further.verified()
    ADDED[PAGE] = lambda call: {} if call.provider == "paypal" else {"locale": "de"}
    assert ask_host(PAGE, get_gateway, "paypal").verified() == {}


def test_localstripe_gets_ours_alone(settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    gateway: Any = get_billing_gateway("stripe")
    assert gateway._with_further({"a": 1}, {"b": 2}) == {"a": 1}


def test_merged__dictionary_by_dictionary() -> None:
    ours = {"metadata": {"token": "t"}, "description": "ours", "items": [1]}
    theirs = {"metadata": {"shelf": "7"}, "description": "theirs", "locale": "de"}
    assert merged(ours, theirs) == {
        "metadata": {"token": "t", "shelf": "7"},
        "description": "theirs",
        "items": [1],
        "locale": "de",
    }
    assert ours == {"metadata": {"token": "t"}, "description": "ours", "items": [1]}


def test_storable__what_is_converted() -> None:
    value = {
        "a": Decimal("2.50"),
        "b": datetime(2026, 1, 1, tzinfo=UTC),
        "c": (1, True, None),
        "d": gettext_lazy("Tax"),
    }
    assert storable(value) == {"a": "2.50", "b": 1767225600, "c": [1, True, None], "d": "Tax"}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ([("locale", "de")], "must return a dictionary"),
        ({"a": 1.5}, "returns, as a, a float: use a Decimal"),
        ({"a": {"b": date(2026, 1, 1)}}, r"returns, as a\.b, a date"),
        ({"a": datetime(2026, 1, 1)}, "without a time zone"),  # noqa: DTZ001
        ({"a": Decimal("NaN")}, "no number"),
        ({"a": 2**53}, "too large"),
        ({"a": object()}, "returns, as a, a object"),
        ({"a": "\0"}, "cannot be stored"),
        ({"a": ["\ud800"]}, "cannot be stored"),
        ({1: "a"}, "no text"),
        ({"a": "x" * 20_001}, "more than 20000 bytes"),
    ],
)
def test_answers_that_cannot_be_sent(answer: Any, problem: str) -> None:
    ADDED[PAGE] = lambda call: answer
    with pytest.raises(GatewayConfigurationError, match=problem):
        ask_host(PAGE, get_gateway, "stripe").verified()


def test_answers_that_nest_for_ever() -> None:
    answer: dict[str, Any] = {}
    answer["a"] = answer
    ADDED[PAGE] = answer
    with pytest.raises(GatewayConfigurationError, match="12 deep"):
        ask_host(PAGE, get_gateway, "stripe").verified()
