"""What every gateway must do, and how a customer pays with each of them."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import PaymentDeclined
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import PaymentRef, PaymentSnapshot, ProviderStatus
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.accounts import make_request, new_key, ref_of

TEN = Decimal("10.00")


class Provider(ABC):
    """A gateway under test, and its customers."""

    gateway: Gateway

    def create(self, **fields: Any) -> PaymentSnapshot:
        """Start a payment of 10.00 USD."""
        return self.gateway.create_payment(make_request(**fields), idempotency_key=self.key())

    def paid(self, *, manual: bool = False) -> PaymentRef:
        """Return the ids of a payment that was paid, or with ``manual`` authorised."""
        ref = self.pay(ref_of(self.create(manual_capture=manual)))
        snapshot = self.gateway.retrieve_payment(ref)
        assert snapshot.status == (ProviderStatus.AUTHORIZED if manual else ProviderStatus.SUCCEEDED)
        return ref_of(snapshot)

    @abstractmethod
    def pay(self, ref: PaymentRef) -> PaymentRef:
        """Let the customer pay with a good card."""

    @abstractmethod
    def decline(self, ref: PaymentRef) -> PaymentRef:
        """Let the customer's card be declined."""

    def key(self) -> str:
        """Return a new idempotency key."""
        return new_key()

    @abstractmethod
    def check(self) -> None:
        """Fail if the provider was asked in a way that it must not be."""


class OnFakeStripe(Provider):
    """The fake Stripe; remembers the keys, so that each request can be checked to have carried one."""

    def __init__(self, fake: FakeStripe, generation: str) -> None:
        self.fake = fake
        fake.response_generation = generation
        self.gateway = get_gateway("stripe")
        self.keys: list[str] = []

    def key(self) -> str:
        key = super().key()
        self.keys.append(key)
        return key

    def check(self) -> None:
        sent = [request.idempotency_key for request in self.fake.requests if request.method == "POST"]
        assert [key for key in sent if key not in self.keys] == []
        # Each call changes one thing at most.
        assert len(sent) == len(set(sent))


class CheckoutProvider(OnFakeStripe):
    """Checkout Sessions: the customer pays on Stripe's page."""

    def pay(self, ref: PaymentRef) -> PaymentRef:
        self.fake.complete_checkout(ref.object_id)
        return ref

    def decline(self, ref: PaymentRef) -> PaymentRef:
        self.fake.complete_checkout(ref.object_id, "pm_card_chargeDeclined")
        return ref


class IntentProvider(OnFakeStripe):
    """PaymentIntents, confirmed from the server."""

    declining = "pm_card_chargeDeclined"

    def pay(self, ref: PaymentRef) -> PaymentRef:
        return ref_of(self.gateway.confirm_payment(ref, make_request(), idempotency_key=self.key()))

    def decline(self, ref: PaymentRef) -> PaymentRef:
        request = make_request(payment_method=self.declining)
        with pytest.raises(PaymentDeclined) as caught:
            self.gateway.confirm_payment(ref, request, idempotency_key=self.key())
        assert caught.value.code == "card_declined"
        assert caught.value.extra["decline_code"]
        return PaymentRef(caught.value.intent_id, caught.value.intent_id, ref.currency)


class LocalstripeProvider(IntentProvider):
    """PaymentIntents on localstripe."""

    # Those that Stripe declines, localstripe lets pay: it declines them only when they are saved.
    declining = "pm_card_chargeCustomerFail"

    def __init__(self) -> None:
        self.gateway = get_gateway("stripe")
        self.keys = []

    def check(self) -> None:
        """localstripe keeps no log."""


def values_of(value: Any) -> Iterator[Any]:
    """Yield everything inside of a snapshot."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from values_of(getattr(value, field.name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from values_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from values_of(inner)
    yield value


def assert_plain(value: Any) -> None:
    """Fail if one of the SDK's objects, or anything else that JSON does not know, got out of the gateway."""
    for inner in values_of(value):
        assert not type(inner).__module__.startswith("stripe"), inner
        if isinstance(inner, dict):
            assert type(inner) is dict
    if isinstance(value, PaymentSnapshot):
        assert value.client_secret == "" or value.client_secret not in json.dumps(value.raw)
