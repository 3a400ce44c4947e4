"""What is the platform's alone is refused on a seller's account, before anything is stored."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_stripe_gateway import subscriptions
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways import registry
from django_stripe_gateway.models import (
    BillingOperation,
    CatalogueOperation,
    ConnectedAccount,
    ConnectOperation,
    Customer,
    Payment,
    Subscription,
)
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.connect.accounts import create_connected_account
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from tests.billing_factories import make_pricing
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import sell

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[[str, Any], object]
ASKED: dict[str, Ask] = {
    "billing": lambda variant, user: registry.get_billing_gateway(variant),
    "meters": lambda variant, user: registry.get_meters(variant),
    "connect": lambda variant, user: registry.get_connect_gateway(variant),
    "reader": lambda variant, user: registry.get_account_reader(variant),
    "customer": lambda variant, user: ensure_customer(owner=user, variant=variant),
    "seller": lambda variant, user: create_connected_account(owner=user, gateway=variant),
    "catalogue": lambda variant, user: push_plan(plan=sold(variant).plan, variant=variant),
    "subscription": lambda variant, user: subscriptions.subscribe(owner=user, plan=sold(variant).plan),
}
STORED = (Customer, Subscription, BillingOperation, CatalogueOperation, Payment)


def sold(variant: str) -> Any:
    """Return a price that somebody has entered on a seller's account."""
    return make_pricing(variant=variant, stripe_price_id="price_1", stripe_product_id="prod_1", is_active=True)


@pytest.mark.parametrize("name", ASKED)
def test_refused(platform: FakeStripe, anna: ConnectedAccount, user: Any, settings: Any, name: str) -> None:
    variant = f"stripe:{anna.provider_id}"
    settings.STRIPE_GATEWAY_BILLING_VARIANT = variant
    platform.forget_requests()
    before = ConnectOperation.objects.count()
    with pytest.raises(UnsupportedByGateway, match=anna.provider_id):
        ASKED[name](variant, user)
    assert not platform.requests
    assert not any(model.objects.exists() for model in STORED)  # type: ignore[attr-defined]
    assert ConnectOperation.objects.count() == before
    assert ConnectedAccount.objects.count() == 1
    assert not registry.bills_subscriptions(variant)
    assert not registry.has_meters(variant)


def test_nothing_is_saved(platform: FakeStripe, anna: ConnectedAccount, user: Any, settings: Any) -> None:
    with pytest.raises(UnsupportedByGateway, match="saves nothing"):
        sell(anna, owner=user, save_payment_method=True)
    assert not Payment.objects.exists()
    # What saves for everybody leaves sellers' accounts out.
    settings.STRIPE_GATEWAY_PAYMENT_CUSTOMERS = "always"
    settings.STRIPE_GATEWAY_CHECKOUT_OFFERS_TO_SAVE = True
    payment = sell(anna, owner=user)
    assert payment.provider_customer_id == ""
    assert not Customer.objects.exists()
    assert sell(None, owner=user).provider_customer_id


@pytest.mark.parametrize("command", ["register_webhook_endpoint", "sync_webhook_events"])
def test_commands(platform: FakeStripe, anna: ConnectedAccount, command: str) -> None:
    with pytest.raises(CommandError, match="sellers' accounts"):
        call_command(command, variant=f"stripe:{anna.provider_id}", stdout=StringIO())


def test_endpoint_of_sellers(platform: FakeStripe, settings: Any) -> None:
    """The platform's endpoint for connected accounts brings the events of payments, too."""
    url = "https://shop.example.com/hook/"
    call_command("register_webhook_endpoint", "--connect", url=url, stdout=StringIO())
    (made,) = platform.all("webhook_endpoint")
    assert set(made["enabled_events"]) >= {"account.updated", "checkout.session.completed", "charge.dispute.created"}
    assert not [name for name in made["enabled_events"] if name.startswith(("invoice", "customer", "price"))]
    settings.PAYMENT_VARIANTS = {"stripe": (settings.PAYMENT_VARIANTS["stripe"][0], {})}
    call_command("register_webhook_endpoint", "--connect", url=url, stdout=StringIO())
    (made,) = platform.all("webhook_endpoint")
    assert set(made["enabled_events"]) == {"account.updated", "account.application.deauthorized"}
