"""Accounts, requests and gateways for these tests."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.values import LineItem, PaymentRef, PaymentRequest, PaymentSnapshot

_numbers = itertools.count(1)


def make_account(**fields: Any) -> StripeAccount:
    """Return an account that no settings describe."""
    values: dict[str, Any] = {
        "variant": "stripe",
        "api_key": "sk_test_fake",
        "webhook_secrets": ("whsec_test",),
        "api_base": "",
        "api_version": "",
        "is_localstripe": False,
        "flow": "intent",
        "manual_capture": False,
    }
    return StripeAccount(**values | fields)


def intent_gateway(url: str, **fields: Any) -> StripeIntentGateway:
    """Return a gateway whose account is at ``url``."""
    return StripeIntentGateway(make_account(api_base=url, **fields))


def new_key() -> str:
    """Return an idempotency key that no other call has."""
    return f"key-{next(_numbers)}"


def make_request(amount: str = "10.00", currency: str = "USD", **fields: Any) -> PaymentRequest:
    """Return the request of a payment."""
    values: dict[str, Any] = {
        "token": "token-of-the-payment",
        "metadata": {"payment_id": "7", "token": "token-of-the-payment"},
        "description": "Order 7",
        "items": [LineItem("Shoes", Decimal(amount))],
        "success_url": "https://shop.test/success",
        "cancel_url": "https://shop.test/cancel",
        "payment_method": "pm_card_visa",
    }
    return PaymentRequest(amount=Decimal(amount), currency=currency, **values | fields)


def ref_of(snapshot: PaymentSnapshot) -> PaymentRef:
    """Return the ids that a payment would keep of a snapshot."""
    return PaymentRef(snapshot.object_id, snapshot.intent_id, snapshot.currency)
