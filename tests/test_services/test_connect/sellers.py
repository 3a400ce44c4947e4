"""Sellers of a platform, and what has gone on to them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_stripe_gateway.models import ConnectedAccount
from django_stripe_gateway.payments import create_connected_account, sync_connected_account
from tests.factories import make_user
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_services.conftest import Shop

FEE = Decimal("1.50")


def seller_of(stripe: FakeStripe, **fields: Any) -> ConnectedAccount:
    """Return the account of a seller who has told Stripe everything."""
    account = create_connected_account(owner=make_user(**fields), gateway="stripe")
    stripe.act(account.provider_id, connecting.onboard)
    return sync_connected_account(account=account)


def terms_of(payment: Any) -> tuple[str, str, Decimal | None]:
    payment.refresh_from_db()
    return payment.destination_id, payment.on_behalf_of_id, payment.application_fee


def balance(shop: Shop) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return what was passed on and kept, each with what was taken back of it."""
    transfers = [(one["amount"], one["amount_reversed"]) for one in shop.stripe.all("transfer")]
    return transfers, [(one["amount"], one["amount_refunded"]) for one in shop.stripe.all("application_fee")]
