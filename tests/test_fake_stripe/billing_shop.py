"""A merchant with subscriptions, on the real SDK against the fake."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import FakeStripe
from tests.test_fake_stripe.shop import Shop, plain

MONTH = {"interval": "month"}


class BillingShop(Shop):
    """Short ways to what the tests start from."""

    def __init__(self, fake: FakeStripe) -> None:
        super().__init__(fake)
        self.product = self.v1.products.create({"name": "Gold"}).id

    def price(self, amount: int = 2000, recurring: dict[str, Any] | None = None, **params: Any) -> str:
        """Create a price and return its id."""
        base = {"product": self.product, "currency": "usd", "unit_amount": amount, "recurring": recurring or MONTH}
        return str(self.v1.prices.create({**base, **params}).id)

    def customer(self, method: str = "pm_card_visa", **params: Any) -> str:
        """Create a customer who pays with a method, and return the id."""
        customer = self.v1.customers.create({"email": "ada@shop.example", **params})
        if method:
            self.fake.customer_changes_card(customer.id, method)
        return str(customer.id)

    def subscribe(self, customer: str, price: str, **params: Any) -> dict[str, Any]:
        """Create a subscription."""
        return plain(self.v1.subscriptions.create({"customer": customer, "items": [{"price": price}], **params}))

    def status(self, subscription: dict[str, Any]) -> str:
        """Return where a subscription stands."""
        return str(self.fake.get(subscription["id"])["status"])


def types(events: list[dict[str, Any]], prefix: str = "customer.subscription.") -> list[str]:
    """Return the types of some events, those that begin with a prefix without it."""
    return [event["type"].removeprefix(prefix) for event in events if event["type"].startswith(prefix)]


def statuses(events: list[dict[str, Any]]) -> list[str]:
    """Return what the events about a subscription say of its status."""
    found = [event["data"]["object"] for event in events if event["type"].startswith("customer.subscription.")]
    return [obj["status"] for obj in found]
