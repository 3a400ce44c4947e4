"""Sellers' accounts: made once, onboarded on the provider's page, and as the provider says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway import exceptions, payments
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import ConnectedAccount, ConnectOperation, PaymentGatewayConfig
from tests.conftest import SignalRecorder
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_services.test_concurrency import at_once, errors_of

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = {"return_url": "https://shop.example.com/back", "refresh_url": "https://shop.example.com/again"}


def accounts_of(stripe: FakeStripe) -> list[Any]:
    """Return the connected accounts that the fake Stripe holds."""
    return [account for scope in stripe.state.scopes() for account in scope.all("account")]


def connect(user: Any, **fields: Any) -> ConnectedAccount:
    """Return the account of a seller."""
    return payments.create_connected_account(owner=user, gateway="stripe", **fields)


def test_create(stripe_server: FakeStripe, user: Any, recorded_signals: SignalRecorder) -> None:
    account = connect(user, country="de")
    (made,) = accounts_of(stripe_server)
    assert account.provider_id == made["id"]
    assert made["country"] == account.country == "DE"
    assert made["email"] == user.email
    assert made["controller"]["losses"] == {"payments": "application"}
    assert account.is_connected
    assert not account.is_payable
    assert account.currently_due == list(connecting.FIRST_DUE)
    assert set(ConnectedAccount.objects.connected()) == {account}
    assert not ConnectedAccount.objects.payable()
    assert "provider_id" in recorded_signals.values("connected_account_updated")[-1]["changed"]


def test_create__once(stripe_server: FakeStripe, user: Any) -> None:
    assert connect(user) == connect(user)
    assert len(accounts_of(stripe_server)) == 1


@pytest.mark.parametrize("name", ["stripe", "Stripe", "Cards"])
def test_create__by_any_name_of_the_gateway(stripe_server: FakeStripe, user: Any, name: str) -> None:
    PaymentGatewayConfig.objects.create(name="Cards", variant="stripe")
    account = payments.create_connected_account(owner=user, gateway=name)
    assert account.variant == "stripe"
    assert account == connect(user)


def test_create__not_on_a_sellers_account(stripe_server: FakeStripe, user: Any, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, {"direct_charges": True})}
    seller = connect(user)
    with pytest.raises(exceptions.UnsupportedByGateway):
        payments.create_connected_account(owner=user, gateway=f"stripe:{seller.provider_id}")


@pytest.mark.parametrize("fields", [{"dashboard": "own"}, {"country": "DEU"}, {"country": "ßß"}, {"country": "1a"}])
def test_create__bad_input(stripe_server: FakeStripe, user: Any, fields: Any) -> None:
    with pytest.raises(exceptions.InvalidInput):
        connect(user, **fields)
    assert not ConnectedAccount.objects.exists()
    assert not stripe_server.requests


@pytest.mark.parametrize("dashboard", ["express", "full", "none"])
def test_create__dashboards(stripe_server: FakeStripe, user: Any, dashboard: str) -> None:
    connect(user, dashboard=dashboard)
    assert accounts_of(stripe_server)[0]["controller"]["stripe_dashboard"] == {"type": dashboard}


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "error_500_before", "error_500_after"])
def test_create__lost_answer(stripe_server: FakeStripe, user: Any, fault: Any) -> None:
    stripe_server.fault("POST", "/v1/accounts", kind=fault)
    with pytest.raises(exceptions.ProviderUnavailable):
        connect(user)
    account = connect(user)
    (made,) = accounts_of(stripe_server)
    assert account.provider_id == made["id"]


def test_create__killed_and_reconciled(stripe_server: FakeStripe, user: Any) -> None:
    stripe_server.fault("POST", "/v1/accounts", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        connect(user)
    ConnectOperation.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    call_command("reconcile", verbosity=0)
    (made,) = accounts_of(stripe_server)
    assert ConnectedAccount.objects.get().provider_id == made["id"]


def test_create__at_once(stripe_server: FakeStripe, user: Any) -> None:
    results = at_once(*[lambda: connect(user)] * 4)
    assert all(isinstance(error, exceptions.OperationInProgress) for error in errors_of(results)), results
    assert len(accounts_of(stripe_server)) == 1
    assert ConnectedAccount.objects.count() == 1


def test_onboarding(stripe_server: FakeStripe, user: Any) -> None:
    account = connect(user)
    first = payments.onboarding_url(account=account, **PAGES)
    assert first.startswith("https://connect.stripe.com/")
    assert payments.onboarding_url(account=account, **PAGES) != first
    # Whoever has the address is the seller.
    assert not any(first in str(operation.__dict__) for operation in ConnectOperation.objects.all())

    stripe_server.act(account.provider_id, connecting.onboard)
    account = payments.sync_connected_account(account=account)
    assert account.is_payable
    assert account.is_onboarded
    assert set(ConnectedAccount.objects.payable()) == {account}

    stripe_server.act(account.provider_id, lambda scope, obj: connecting.require(scope, obj, "individual.id_number"))
    account = payments.sync_connected_account(account=account)
    assert not account.is_payable
    assert account.disabled_reason == "requirements.past_due"
    assert account.currently_due == ["individual.id_number"]


def test_onboarding__not_connected(stripe_server: FakeStripe, user: Any) -> None:
    account = ConnectedAccount.objects.create(owner=user, variant="stripe")
    with pytest.raises(exceptions.WrongState):
        payments.onboarding_url(account=account, **PAGES)


def test_left(stripe_server: FakeStripe, user: Any, recorded_signals: SignalRecorder) -> None:
    account = connect(user)
    stripe_server.act(account.provider_id, connecting.onboard)
    payments.sync_connected_account(account=account)
    stripe_server.act(account.provider_id, connecting.leave)
    account = payments.sync_connected_account(account=account)
    assert account.deauthorized
    assert not account.is_payable
    assert recorded_signals.values("connected_account_updated")[-1]["changed"] == ("deauthorized",)
    # Who comes back gets another account.
    again = connect(user)
    assert again.is_connected
    assert again.pk == account.pk


def test_other_providers(settings: Any, user: Any) -> None:
    settings.PAYMENT_VARIANTS = {"dummy": ("payments.dummy.DummyProvider", {})}
    with pytest.raises(exceptions.UnsupportedByGateway):
        payments.create_connected_account(owner=user, gateway="dummy")
