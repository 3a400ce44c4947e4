"""Short ways to make sellers, and to sell for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_stripe_gateway import payments
from django_stripe_gateway.models import ConnectedAccount
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.support import deliver_all

CONNECT = "whsec_connect"


def seller(server: FakeStripe, owner: Any, gateway: str = "stripe") -> ConnectedAccount:
    """Return the account of a seller who has told Stripe all that it wants to know."""
    account = payments.create_connected_account(owner=owner, gateway=gateway, dashboard="full")
    server.act(account.provider_id or "", connecting.onboard)
    return payments.sync_connected_account(account=account)


def sell(account: ConnectedAccount | None, **values: Any) -> Any:
    """Return a payment that has been started on a seller's account, or on the platform's."""
    asked = {"owner": None, "gateway": "Stripe", "amount": Decimal(10), "currency": "USD"} | values
    return payments.create_payment(account=account, **asked)


def bring(events: list[dict[str, Any]]) -> list[str]:
    """Deliver events as the platform's endpoint for connected accounts does, and return what became of them."""
    return deliver_all(events, secret=CONNECT)
