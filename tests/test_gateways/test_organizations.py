"""Keys of an organisation: each call says for which account it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import stripe

from django_stripe_gateway.checks.variants import check_variants
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.checks import check_accounts, check_accounts_deployment
from django_stripe_gateway.models import PaymentGatewayConfig
from django_stripe_gateway.models.provider_accounts import current_account, known_accounts
from django_stripe_gateway.services.accounts import learn_account
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_checks.running import run
from tests.test_gateways.accounts import make_account, make_request, new_key

KEY = "sk_org_test_" + "a" * 24
LIVE_KEY = "sk_org_live_" + "a" * 24
SHORT_KEY = "sk_org_" + "a" * 24
US, EU = "acct_1UnitedStates", "acct_1Europe"


def organize(stripe_server: FakeStripe, settings: Any, **options: dict[str, Any]) -> FakeStripe:
    """Return Stripe with an organisation of two accounts: one key, of the first unless a variant's options differ."""
    stripe_server.add_key(KEY, account=f"{US} {EU}", name="org")
    settings.STRIPE_GATEWAY_API_KEY = KEY
    settings.STRIPE_GATEWAY_CONTEXT = US
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    settings.PAYMENT_VARIANTS = {name: (STRIPE_PROVIDER, own) for name, own in ({"stripe": {}} | options).items()}
    known_accounts.forget()
    return stripe_server


@pytest.fixture
def organization(stripe_server: FakeStripe, settings: Any) -> FakeStripe:
    """Return Stripe with an organisation of two accounts, sold through two variants with one key."""
    return organize(stripe_server, settings, eu={"context": EU, "endpoint_secret": "whsec_eu"})


@pytest.mark.parametrize(
    ("key", "livemode"), [(KEY, False), (LIVE_KEY, True), (SHORT_KEY, True), ("rk_org_test_a", False)]
)
def test_mode(key: str, livemode: bool) -> None:
    account = make_account(api_key=key, context=US)
    assert (account.livemode, account.is_organization) == (livemode, True)


def test_every_call_names_the_account(organization: FakeStripe) -> None:
    for variant, account_id in (("stripe", US), ("eu", EU)):
        gateway = get_gateway(variant)
        gateway.create_payment(make_request(), idempotency_key=new_key())
        assert organization.requests[-1].stripe_context == account_id
        assert stripe_account(variant).account_id == account_id
    assert {request.stripe_version for request in organization.requests} > {None} or all(
        request.stripe_version for request in organization.requests
    )
    pages = organization.all("checkout.session")
    assert len(pages) == 2
    assert [scope.account for scope in organization.state.scopes() if scope.objects] == [US, EU]


def test_accounts_of_one_key_are_apart(organization: FakeStripe) -> None:
    us, eu = stripe_account("stripe"), stripe_account("eu")
    assert us.key_digest != eu.key_digest
    assert us.webhook_secrets == ("whsec_test",)
    # The default account's secret signs nothing of another account.
    assert eu.webhook_secrets == ("whsec_eu",)


def test_stripe_refuses_a_call_that_names_none(organization: FakeStripe) -> None:
    client = stripe.StripeClient(KEY, base_addresses={"api": organization.url})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.balance.retrieve()
    with pytest.raises(stripe.PermissionError):
        client.v1.balance.retrieve(options={"stripe_context": "acct_1Elsewhere"})


def test_no_call_without_a_context(organization: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CONTEXT = ""
    with pytest.raises(GatewayConfigurationError, match="STRIPE_GATEWAY_CONTEXT"):
        get_gateway("stripe").create_payment(make_request(), idempotency_key=new_key())
    assert not organization.requests


def test_path_to_an_account(organization: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CONTEXT = f"acct_1Platform/{US}"
    get_gateway("stripe").create_payment(make_request(), idempotency_key=new_key())
    assert organization.requests[-1].stripe_context == f"acct_1Platform/{US}"
    assert stripe_account("stripe").account_id == US


@pytest.mark.django_db(transaction=True)
def test_whole_payments(organization: FakeStripe, user: Any) -> None:
    PaymentGatewayConfig.objects.create(name="Europe", variant="eu")
    for name, account_id in (("Stripe", US), ("Europe", EU)):
        payment = create_payment(owner=user, gateway=name, amount=Decimal(10), currency="USD")
        assert payment.account_id == account_id
        organization.complete_checkout(payment.transaction_id)
        assert sync_payment(payment=payment).status == "confirmed"
    assert {request.stripe_context for request in organization.requests} == {US, EU}


@pytest.mark.django_db
def test_settings_that_contradict_the_context(organization: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = EU
    with pytest.raises(GatewayConfigurationError, match=US):
        learn_account("stripe")
    assert current_account("stripe").named_id == US  # type: ignore[union-attr]


@pytest.mark.parametrize(("key", "context", "expected"), [(KEY, "", ["E019"]), (KEY, US, []), ("sk_test_a", "", [])])
def test_e019(settings: Any, key: str, context: str, expected: list[str]) -> None:
    options = {"api_key": key, "endpoint_secret": "whsec_a", "context": context}
    settings.PAYMENT_VARIANTS = {"shop": (STRIPE_PROVIDER, options)}
    assert run(check_accounts) == expected


@pytest.mark.parametrize("context", ["acct", US + "/", 7, "cus_1", f"{US} "])
def test_e008__context(settings: Any, context: Any) -> None:
    settings.PAYMENT_VARIANTS = {"shop": (STRIPE_PROVIDER, {"context": context})}
    assert run(check_variants) == ["E008"]


@pytest.mark.parametrize(("key", "expected"), [(KEY, ["W032"]), (LIVE_KEY, []), (SHORT_KEY, [])])
def test_deployment(settings: Any, key: str, expected: list[str]) -> None:
    options = {"api_key": key, "endpoint_secret": "whsec_a", "context": US}
    settings.PAYMENT_VARIANTS = {"shop": (STRIPE_PROVIDER, options)}
    assert run(check_accounts_deployment) == expected
