"""Classes of a host's that extend ours: django-payments' provider, or the gateway behind it, named by the variant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from payments import get_payment_model
from payments.core import PROVIDER_CACHE, provider_factory

from django_stripe_gateway.checks.variants import check_variants
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.paypal.payments import PayPalGateway
from django_stripe_gateway.gateways.registry import bills_subscriptions, get_gateway, provider_of
from django_stripe_gateway.gateways.stripe.accounts import stripe_accounts
from django_stripe_gateway.gateways.stripe.checkout import StripeCheckoutGateway
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.values import PaymentRequest, PaymentSnapshot
from django_stripe_gateway.models import PaymentGatewayConfig
from django_stripe_gateway.providers import StripeProvider
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.testing import GatewayConformance
from tests.fake_stripe import FakeStripe
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.test_gateways.conformance import OnCheckout
from tests.test_webhooks.support import deliver_all

HERE = __name__


class ShopProvider(StripeProvider):
    """A host's own."""


class ShopGateway(StripeCheckoutGateway):
    """A host's own, which names the shop in every description."""

    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        return super().create_payment(request, idempotency_key=idempotency_key)


class ShopPayPal(PayPalGateway):
    """A host's own."""


class NoGateway:
    """Nothing of the kind."""


VARIANTS = {
    "provider": (f"{HERE}.ShopProvider", {}),
    "provider-intent": (f"{HERE}.ShopProvider", {"flow": "intent"}),
    "stripe": (STRIPE_PROVIDER, {"gateway": f"{HERE}.ShopGateway"}),
    "both": (f"{HERE}.ShopProvider", {"gateway": f"{HERE}.ShopGateway"}),
    "generic": ("django_stripe_gateway.providers.GatewayProvider", {"gateway": f"{HERE}.ShopGateway"}),
    "paypal": ("django_stripe_gateway.providers.PayPalProvider", {"gateway": f"{HERE}.ShopPayPal"}),
}
ON_STRIPE = [name for name in VARIANTS if name != "paypal"]


@pytest.fixture(autouse=True)
def _variants(settings: Any) -> Any:
    settings.PAYMENT_VARIANTS = VARIANTS
    settings.STRIPE_GATEWAY_ACCOUNT_ID = DEFAULT_ACCOUNT
    PROVIDER_CACHE.clear()
    yield
    PROVIDER_CACHE.clear()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("provider", StripeCheckoutGateway),
        ("provider-intent", StripeIntentGateway),
        ("stripe", ShopGateway),
        ("both", ShopGateway),
        ("generic", ShopGateway),
        ("paypal", ShopPayPal),
    ],
)
def test_gateway(variant: str, expected: type[Any]) -> None:
    gateway: Any = get_gateway(variant)
    assert type(gateway) is expected
    assert gateway.account.variant == variant
    provider = provider_of(variant)
    assert provider is not None
    assert provider.name == ("paypal" if variant == "paypal" else "stripe")
    assert bills_subscriptions(variant) == (variant != "paypal")
    assert check_variants(None) == []


def test_accounts() -> None:
    assert [account.variant for account in stripe_accounts()] == ON_STRIPE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("variant", [name for name in ON_STRIPE if name != "provider-intent"])
def test_paid_and_refunded(stripe_server: FakeStripe, user: Any, variant: str) -> None:
    PaymentGatewayConfig.objects.get_or_create(name=variant, defaults={"variant": variant})
    payment = create_payment(owner=user, gateway=variant, amount=Decimal(10), currency="USD")
    assert payment.gateway_url
    stripe_server.complete_checkout(payment.transaction_id)
    assert set(deliver_all(stripe_server.events())) <= {"processed", "ignored"}
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert refund_payment(payment=payment, amount=Decimal(4)).amount == Decimal(4)
    payment.refresh_from_db()
    provider: Any = provider_factory(variant)
    assert provider.status(payment).refunded_amount == Decimal(4)


class TestShopGateway(OnCheckout, GatewayConformance):
    """A subclass of the gateway passes the suite that ours pass."""

    @pytest.fixture(autouse=True)
    def _on_fake(self, stripe_server: FakeStripe) -> None:
        self.fake = stripe_server

    def make_gateway(self) -> Any:
        return get_gateway("stripe")


@pytest.mark.django_db(transaction=True)
def test_class_that_is_no_gateway__refused_before_any_row(settings: Any, user: Any) -> None:
    settings.PAYMENT_VARIANTS = {"shop": (STRIPE_PROVIDER, {"gateway": f"{HERE}.NoGateway"})}
    PaymentGatewayConfig.objects.create(name="shop", variant="shop")
    (message,) = check_variants(None)
    assert message.id == "django_stripe_gateway.E007"
    with pytest.raises(GatewayConfigurationError, match="no subclass of Gateway"):
        create_payment(owner=user, gateway="shop", amount=Decimal(10), currency="USD")
    assert not get_payment_model().objects.exists()
