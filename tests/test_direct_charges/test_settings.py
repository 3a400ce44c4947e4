"""What the entry of the platform says holds for its sellers, too: its key's mode, its flow, its gateway."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway import payments
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.checkout import StripeCheckoutGateway
from django_stripe_gateway.models import ConnectedAccount, Payment, PaymentGatewayConfig, WebhookEvent
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import CONNECT, bring, sell, seller
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


class Branded(StripeCheckoutGateway):
    """A gateway of the host's."""


def test_live(platform: FakeStripe, settings: Any, user: Any) -> None:
    """Also a payment that the host has saved itself, which is of no mode before it is started."""
    settings.STRIPE_GATEWAY_API_KEY = "sk_live_fake"
    known_accounts.forget()
    account = seller(platform, user)
    assert account.livemode
    payment = Payment.objects.create(variant=f"stripe:{account.provider_id}", total=10, currency="USD")
    started = payments.start_payment(payment=payment)
    assert (started.livemode, started.account_id) == (True, account.provider_id)
    assert "processed" in bring(platform.complete_checkout(started.transaction_id))
    started.refresh_from_db()
    assert started.status == "confirmed"
    # With a test key the same rows are another mode's.
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    known_accounts.forget()
    assert not Payment.objects.of_configured_account().exists()
    assert not started.is_of_configured_account


def test_two_entries_of_one_platform(platform: FakeStripe, settings: Any, anna: ConnectedAccount) -> None:
    """A seller is connected to the account, by whichever entry; their events are one variant's, for both."""
    options = settings.PAYMENT_VARIANTS["stripe"][1]
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, options),
        "browser": (STRIPE_PROVIDER, options | {"flow": "intent"}),
    }
    PaymentGatewayConfig.objects.create(name="Browser", variant="browser")
    payment = sell(anna, gateway="Browser")
    assert payment.variant == f"browser:{anna.provider_id}"
    assert payment.client_secret
    paid = payments.confirm_payment(payment=payment, payment_method="pm_card_visa")
    Payment.objects.update(status="waiting")
    for event in platform.events("payment_intent.succeeded"):
        assert deliver(event, secret=CONNECT).json()["state"] == "processed"
    paid.refresh_from_db()
    assert paid.status == "confirmed"
    assert WebhookEvent.objects.get().variant == f"stripe:{anna.provider_id}"


def test_seller_whose_key_the_settings_have(platform: FakeStripe, settings: Any, anna: ConnectedAccount) -> None:
    """Both ways lead to one account: its events are those of the entry, and find what was made by either."""
    platform.add_key("sk_test_anna", anna.provider_id)
    own = {"api_key": "sk_test_anna", "endpoint_secret": "whsec_anna", "account_id": anna.provider_id}
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"anna": (STRIPE_PROVIDER, own)}
    PaymentGatewayConfig.objects.create(name="Anna", variant="anna")
    direct, by_key, ours = sell(anna), sell(None, gateway="Anna"), sell(None)
    assert direct.account_id == by_key.account_id
    for payment in (direct, by_key):
        assert "processed" in bring(platform.complete_checkout(payment.transaction_id))
        payment.refresh_from_db()
        assert payment.status == "confirmed"
    assert set(WebhookEvent.objects.values_list("variant", "account_id")) == {("anna", "")}
    ours.refresh_from_db()
    assert ours.status == "waiting"


def test_gateway_of_the_host(platform: FakeStripe, settings: Any, anna: ConnectedAccount) -> None:
    options = settings.PAYMENT_VARIANTS["stripe"][1] | {"gateway": f"{__name__}.Branded"}
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, options)}
    gateway: Any = get_gateway(f"stripe:{anna.provider_id}")
    assert isinstance(gateway, Branded)
    assert gateway.account.connected_id == anna.provider_id
    assert sell(anna).account_id == anna.provider_id
