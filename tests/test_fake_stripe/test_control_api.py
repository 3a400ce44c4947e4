from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest
import stripe

from tests.test_fake_stripe.billing_shop import BillingShop
from tests.test_fake_stripe.shop import Shop


def call(url: str, arguments: dict[str, Any] | None = None) -> Any:
    data = None if arguments is None else json.dumps(arguments).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def test_control_api(shop: Shop) -> None:
    session = shop.session()
    events = call(shop.fake.url + "/_fake/complete", {"session_id": session["id"]})
    assert events[-1]["type"] == "checkout.session.completed"
    intent = shop.fake.get(session["id"])["payment_intent"]
    call(shop.fake.url + "/_fake/control/dashboard_refund", {"intent_id": intent, "amount": 5})
    assert shop.fake.all("refund")[0]["amount"] == 5
    call(shop.fake.url + "/_fake/fault", {"method": "GET", "path": "/v1/balance", "kind": "error_500_before"})
    assert call(shop.fake.url + "/_fake/faults")[0]["kind"] == "error_500_before"
    with pytest.raises(stripe.APIError):
        shop.v1.balance.retrieve()
    assert [record["path"] for record in call(shop.fake.url + "/_fake/requests")][-1] == "/v1/balance"
    assert len(call(shop.fake.url + "/_fake/events")) == len(shop.fake.events())


def test_control_api__billing(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    events = call(billing.fake.url + "/_fake/control/advance", {"days": 32})
    assert "invoice.paid" in [event["type"] for event in events]
    call(billing.fake.url + "/_fake/control/portal_cancel", {"subscription_id": made["id"]})
    assert billing.fake.get(made["id"])["cancel_at"]
    assert all(callable(getattr(billing.fake, name)) for name in call(billing.fake.url + "/_fake/controls"))


@pytest.mark.parametrize(
    ("path", "arguments"),
    [("/_fake/control/take_violations", {}), ("/_fake/complete", {"session_id": "cs_nope"}), ("/_fake/expire", {})],
)
def test_control_api__refused(shop: Shop, path: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(shop.fake.url + path, arguments)
    with caught.value as error:
        assert error.code == 400


def test_standalone() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_stripe", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    try:
        url = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        client = stripe.StripeClient("sk_test_anything", base_addresses={"api": url})
        assert client.v1.balance.retrieve().object == "balance"
    finally:
        process.terminate()
        process.communicate(timeout=10)
