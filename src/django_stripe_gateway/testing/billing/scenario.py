"""A gateway that bills, and its customers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    CustomerRequest,
    CustomerSnapshot,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, PriceSnapshot, ProductRequest
from django_stripe_gateway.testing.scenario import Scenario


class BillingScenario(Scenario, ABC):
    """What the suite asks of the author of a gateway: how customers pay, and with what."""

    #: What customers pay with, and what may be shown of it: kind, brand, last four digits.
    payment_method: ClassVar[str]
    payment_method_shown: ClassVar[tuple[str, str, str]]
    #: Can be saved, and fails when it is charged; and its last four digits.
    failing: ClassVar[str]
    failing_last4: ClassVar[str]
    #: Cannot be saved.
    declined: ClassVar[str]

    @abstractmethod
    def make_gateway(self) -> BillingGateway:
        """Return the gateway, with an account where no real money moves."""

    @abstractmethod
    def pay(self, subscription: SubscriptionSnapshot) -> None:
        """Let the customer pay the first invoice, if that is still to do."""

    @abstractmethod
    def delete_customer(self, customer_id: str) -> None:
        """Delete a customer at the provider."""

    @abstractmethod
    def forget_keys(self) -> None:
        """Let the provider forget all idempotency keys, as it does after some time."""

    def make_meter(self) -> str:
        """Return the id of a meter that a metered price can have, empty where there are none."""
        return ""

    def set_up(self, setup_id: str) -> bool:
        """Let the customer add a payment method in the browser, and return whether that can be done here."""
        return False

    @cached_property
    def gateway(self) -> BillingGateway:
        """The gateway under test."""
        return self.make_gateway()

    def price(self, amount: str = "20.00", interval: str = "month", **fields: Any) -> PriceSnapshot:
        """Make a product with a price in USD."""
        product = self.gateway.create_product(ProductRequest("Gold", **fields), idempotency_key=self.key())
        request = PriceRequest(product.product_id, Decimal(amount), "USD", interval, metadata={"pricing": "7"})
        return self.gateway.create_price(request, idempotency_key=self.key())

    def customer(self, method: str | None = None) -> CustomerSnapshot:
        """Make a customer who pays with ``method``; with "" one who has none."""
        request = CustomerRequest(email="ada@example.com", name="Ada", metadata={"owner": "5"})
        customer = self.gateway.create_customer(request, idempotency_key=self.key())
        method = self.payment_method if method is None else method
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
        assert found.status == "active", found
        return found
