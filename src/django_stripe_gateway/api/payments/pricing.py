"""What a payment costs that a client of the API wants to make: the host's adapter has the last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.adapter import PRICE_KEYS, get_adapter, wrong_answer
from django_stripe_gateway.choices import CaptureMethod
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.payments.amounts import validate_amount


def priced(request: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with the adapter's price in place of all that the client sent about it.

    Raises:
        GatewayConfigurationError: the adapter's answer is no price.
    """
    price = get_adapter().price_payment(request, dict(values))
    problem = _problem(price, values)
    if problem:
        raise wrong_answer("price_payment", problem)
    return {key: value for key, value in values.items() if key not in PRICE_KEYS} | price


def _problem(price: Any, sent: Mapping[str, Any]) -> str:
    """Return what is wrong with an answer; about what the client sent itself, the client is told by the service."""
    if not isinstance(price, Mapping) or not {"amount", "currency"} <= set(price) <= set(PRICE_KEYS):
        return f"must return a dictionary with amount and currency, and nothing else than {', '.join(PRICE_KEYS)}"
    own = {key: value for key, value in price.items() if key not in sent or value != sent[key]}
    for key in ("currency", "description"):
        if key in own and not isinstance(own[key], str):
            return f"must return a string as {key}"
    if "capture_method" in own and own["capture_method"] not in CaptureMethod.values:
        return f"must return {' or '.join(CaptureMethod.values)} as capture_method, or leave it out"
    if own.keys() & {"amount", "currency"}:
        try:
            validate_amount(price["amount"], price["currency"])
        except InvalidInput as error:
            return f"returned an amount that cannot be charged: {error.detail.rstrip('.')}"
    return ""
