"""Fixtures of the PayPal tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client

from django_stripe_gateway.conf import PAYPAL_PROVIDER, STRIPE_PROVIDER
from django_stripe_gateway.gateways.paypal.certificates import keys
from django_stripe_gateway.gateways.paypal.client import pool, tokens
from django_stripe_gateway.models import PaymentGatewayConfig, WebhookEvent
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.returns import complete_return
from tests.fake_paypal.adapter import ToFake, mount
from tests.fake_paypal.server import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, FakePayPal

URL = "/api/v1/webhooks/paypal/"

Event = dict[str, Any]


@pytest.fixture
def paypal(settings: Any, tmp_path: Path) -> Iterator[FakePayPal]:
    """Run a fake PayPal, and let the variant "paypal" be an account of it."""
    with FakePayPal() as fake:
        bundle = tmp_path / "authorities.pem"
        bundle.write_bytes(fake.authority.root_pem)
        settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, {}), "paypal": (PAYPAL_PROVIDER, {})}
        settings.STRIPE_GATEWAY_PAYPAL_CLIENT_ID = CLIENT_ID
        settings.STRIPE_GATEWAY_PAYPAL_CLIENT_SECRET = CLIENT_SECRET
        settings.STRIPE_GATEWAY_PAYPAL_WEBHOOK_ID = WEBHOOK_ID
        settings.STRIPE_GATEWAY_PAYPAL_SANDBOX = True
        settings.STRIPE_GATEWAY_PAYPAL_API_BASE = fake.url
        settings.STRIPE_GATEWAY_PAYPAL_CA_BUNDLE = str(bundle)
        keys.clear()
        tokens.forget()
        pool.close()
        yield fake
        pool.close()


@pytest.fixture
def certificates(paypal: FakePayPal) -> ToFake:
    """Lead requests for PayPal's hosts to the fake, and return the log of them."""
    return mount(pool.get(), paypal.url)


class Shop:
    """Payments through the fake PayPal, brought to the state that a test starts from."""

    def __init__(self, fake: FakePayPal, owner: Any) -> None:
        self.fake = fake
        self.owner = owner

    def waiting(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment that waits for its buyer."""
        fields = {"owner": self.owner, "gateway": "PayPal", "currency": "USD"} | fields
        return create_payment(amount=Decimal(amount), **fields)

    def approved(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment that its buyer has approved."""
        payment = self.waiting(amount, **fields)
        self.fake.approve(payment.transaction_id)
        return payment

    def paid(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment whose buyer is back."""
        return complete_return(payment=self.approved(amount, **fields))

    def authorized(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment that waits for its capture."""
        return self.paid(amount, capture_method="manual", **fields)

    def captured(self, amount: str = "10.00", part: str | None = None) -> Any:
        """Return a payment that was authorised and captured."""
        payment = self.authorized(amount)
        return captures.capture_payment(payment=payment, amount=Decimal(part) if part else None)

    def capture_id(self, payment: Any) -> str:
        """Return the id of the payment's capture."""
        order = self.fake.state.orders[payment.transaction_id]
        return str(order["purchase_units"][0]["payments"]["captures"][0]["id"])

    def post(self, event: Event | bytes, *, url: str = URL, **signing: Any) -> Any:
        """Deliver an event, signed by the fake unless ``signing`` says otherwise."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = signing.pop("headers", None) or self.fake.headers(body, **signing)
        client = Client(enforce_csrf_checks=True)
        return client.post(url, body, content_type="application/json", headers=headers)

    def deliver(self, *events: Event) -> list[str]:
        """Deliver events in their order, each to be acknowledged, and return the states they ended in."""
        states = []
        for event in events:
            answer = self.post(event)
            assert answer.status_code == 200, (event["event_type"], answer.content)
            states.append(answer.json()["state"])
        return states

    def browse(self, payment: Any, do: str) -> str:
        """Let the buyer act on PayPal's page, over HTTP, and return the address that they are sent back to."""
        page = requests.get(payment.gateway_url, timeout=5)
        assert page.status_code == 200
        answer = requests.get(f"{payment.gateway_url}&do={do}", timeout=5, allow_redirects=False)
        assert answer.status_code == 302
        return answer.headers["Location"]


@pytest.fixture
def shop(paypal: FakePayPal, certificates: ToFake, user: Any) -> Shop:
    """Return a shop that takes payments through the fake PayPal."""
    PaymentGatewayConfig.objects.get_or_create(name="PayPal", defaults={"variant": "paypal"})
    return Shop(paypal, user)


def state_of(payment: Any) -> dict[str, Any]:
    """Return what the order of events must not change."""
    payment.refresh_from_db()
    names = "status transaction_id intent_id captured_amount refunded_amount failure_code message".split()
    refunds: Iterable[Any] = payment.refunds.order_by("provider_id").values_list("provider_id", "status", "amount")
    return {name: getattr(payment, name) for name in names} | {"refunds": list(refunds)}


@pytest.fixture
def event(paypal: FakePayPal) -> dict[str, Any]:
    """Return an event that nobody handles."""
    return paypal.event("CUSTOMER.ACCOUNT.CREATED", "account", {"id": "ACC1"})


def refused(shop: Shop, event: Any, *, status: int = 400, **signing: Any) -> None:
    """Deliver an event that must not be taken."""
    answer = shop.post(event, **signing)
    assert answer.status_code == status, answer.content
    assert WebhookEvent.objects.count() == 0
    # What is wrong is for the log.
    assert answer.json()["detail"] in (
        "The signature is missing or wrong.",
        "The body is not JSON.",
        "PayPal's certificate could not be fetched. Try again.",
        "PayPal failed. Try again.",
    )
