"""The example site against the fake Stripe, with signed webhooks."""

from __future__ import annotations

import json
from typing import Any

from tests.fake_stripe.server import FakeStripe
from tests.test_example.visitor import call

TOKEN = "demo" * 10


class Shop:
    """The running site, and the fake that it is paid through."""

    def __init__(self, url: str, fake: FakeStripe) -> None:
        self.url = url
        self.fake = fake

    def api(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """Call the API as the demo user."""
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        return call(method, f"{self.url}/api/v1/{path}", body=json.dumps(body), headers=headers)
