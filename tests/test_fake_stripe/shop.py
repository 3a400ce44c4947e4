"""The real SDK against the fake, with short ways to what the tests start from."""

from __future__ import annotations

import json
from typing import Any

import stripe

from tests.fake_stripe import FakeStripe

KEY = "sk_test_fake"
NO_REDIRECTS = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


def plain(obj: Any) -> Any:
    """Return what the SDK got as dicts and lists; `to_dict` is deprecated in stripe 13 and holds Decimals in 16."""
    return json.loads(str(obj))


class Shop:
    """The real SDK against the fake, with short ways to what the tests start from."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.v1 = self.client().v1

    def client(self, key: str = KEY, **options: Any) -> stripe.StripeClient:
        """Return the SDK's client for a key."""
        options.setdefault("max_network_retries", 0)
        return stripe.StripeClient(key, base_addresses={"api": self.fake.url}, **options)

    def session(self, amount: int = 2000, **params: Any) -> dict[str, Any]:
        """Create an open Checkout Session."""
        price = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "T-shirt"}}
        base = {
            "mode": "payment",
            "success_url": "https://shop.example/ok?s={CHECKOUT_SESSION_ID}",
            "line_items": [{"quantity": 1, "price_data": price}],
        }
        return plain(self.v1.checkout.sessions.create({**base, **params}))

    def intent(self, method: str = "pm_card_visa", amount: int = 2000, **params: Any) -> dict[str, Any]:
        """Create and confirm an intent."""
        base = {"amount": amount, "currency": "usd", "payment_method": method, "confirm": True, **NO_REDIRECTS}
        return plain(self.v1.payment_intents.create({**base, **params}))

    def types(self) -> list[str]:
        """Return the types of the events so far."""
        return [event["type"] for event in self.fake.events()]
