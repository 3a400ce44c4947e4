"""What bills customers, and how a customer pays with each of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    CustomerRequest,
    CustomerSnapshot,
    PriceRequest,
    PriceSnapshot,
    ProductRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.registry import get_billing_gateway
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.accounts import new_key
from tests.test_gateways.conformance import values_of


class Biller(ABC):
    """A gateway under test, and its customers."""

    gateway: BillingGateway

    #: Can be saved, and fails when it is charged.
    failing = "pm_card_chargeCustomerFail"

    def key(self) -> str:
        """Return a new idempotency key."""
        return new_key()

    def price(self, amount: str = "20.00", interval: str = "month", **fields: Any) -> PriceSnapshot:
        """Make a product with a price in USD."""
        product = self.gateway.create_product(ProductRequest("Gold", **fields), idempotency_key=self.key())
        request = PriceRequest(product.product_id, Decimal(amount), "USD", interval, metadata={"pricing": "7"})
        return self.gateway.create_price(request, idempotency_key=self.key())

    def customer(self, method: str = "pm_card_visa") -> CustomerSnapshot:
        """Make a customer who pays with ``method``; with "" one who has none."""
        request = CustomerRequest(email="ada@example.com", name="Ada", metadata={"owner": "5"})
        customer = self.gateway.create_customer(request, idempotency_key=self.key())
        if not method:
            return customer
        attached = self.gateway.attach_payment_method(method, customer.customer_id, idempotency_key=self.key())
        return self.gateway.set_default_payment_method(
            customer.customer_id, attached.payment_method_id, idempotency_key=self.key()
        )

    def subscribe(self, customer: CustomerSnapshot, price: PriceSnapshot, **fields: Any) -> SubscriptionSnapshot:
        """Start a subscription."""
        values: dict[str, Any] = {"metadata": {"subscription": "9"}, **fields}
        request = SubscriptionRequest(customer.customer_id, price.price_id, **values)
        return self.gateway.create_subscription(request, idempotency_key=self.key())

    def active(self, **fields: Any) -> SubscriptionSnapshot:
        """Return a subscription whose first invoice was paid."""
        made = self.subscribe(self.customer(), self.price(), **fields)
        self.pay(made)
        found = self.gateway.retrieve_subscription(made.subscription_id)
        assert found.status == "active"
        return found

    @abstractmethod
    def pay(self, subscription: SubscriptionSnapshot) -> None:
        """Let the customer pay the first invoice, if that is still to do."""

    @abstractmethod
    def check(self) -> None:
        """Fail if the provider was asked in a way that it must not be."""


class OnFakeStripe(Biller):
    """The fake Stripe; remembers the keys, so that each request can be checked to have carried one."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.gateway = get_billing_gateway("stripe")
        self.keys: list[str] = []

    def key(self) -> str:
        key = super().key()
        self.keys.append(key)
        return key

    def pay(self, subscription: SubscriptionSnapshot) -> None:
        assert subscription.status == "incomplete"
        assert subscription.client_secret
        self.fake.customer_pays(subscription.subscription_id)

    def check(self) -> None:
        changing = [request for request in self.fake.requests if request.method == "POST"]
        sent = [request.idempotency_key for request in changing if not request.path.endswith("/create_preview")]
        assert [key for key in sent if key not in self.keys] == []
        assert len(sent) == len(set(sent))


class OnLocalstripe(Biller):
    """localstripe, which charges at once and keeps no log."""

    def __init__(self) -> None:
        self.gateway = get_billing_gateway("stripe")

    def pay(self, subscription: SubscriptionSnapshot) -> None:
        assert subscription.client_secret == ""

    def check(self) -> None:
        """Nothing to see."""


def assert_plain(value: Any) -> None:
    """Fail if one of the SDK's objects got out, or a secret shows."""
    for inner in values_of(value):
        assert not type(inner).__module__.startswith("stripe"), inner
    assert re.search(r"_secret_\w{6,}", repr(value)) is None
