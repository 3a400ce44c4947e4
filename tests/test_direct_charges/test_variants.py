"""Which variants of sellers there are: fail closed, and never among those that are listed."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.accounts import configured_account
from django_stripe_gateway.checks.databases import check_gateway_rows
from django_stripe_gateway.checks.variants import check_variants
from django_stripe_gateway.conf import PAYPAL_PROVIDER, STRIPE_PROVIDER, gateway_settings
from django_stripe_gateway.conf.variants import Variants
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    InvalidInput,
    UnknownGateway,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.registry import get_gateway, is_supported_variant
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.models import ConnectedAccount, Payment, PaymentGatewayConfig, PaymentOperation
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.fake_stripe.server import FakeStripe
from tests.test_checks.running import run
from tests.test_direct_charges.support import CONNECT, sell
from tests.test_webhooks.support import post

pytestmark = pytest.mark.django_db(transaction=True)


def test_found(platform: FakeStripe, anna: ConnectedAccount) -> None:
    variant = f"stripe:{anna.provider_id}"
    assert variant in gateway_settings.variants
    assert list(gateway_settings.variants) == ["stripe"]
    assert len(gateway_settings.variants) == 1
    account = stripe_account(variant)
    assert (account.api_key, account.account_id) == ("sk_test_fake", anna.provider_id)
    assert account.signing_secrets == ()
    assert not account.accepts_unsigned_webhooks
    assert configured_account(variant).key_digest == ""  # type: ignore[union-attr]
    assert pickle.loads(pickle.dumps(account)) == account
    assert get_gateway(variant).livemode is False
    # There may be as many sellers as there are rows: nothing is kept of them for good.
    assert get_gateway("stripe") is get_gateway("stripe")
    assert get_gateway(variant) is not get_gateway(variant)


@pytest.mark.parametrize(
    "change",
    [
        {"deauthorized": timezone.now()},
        {"livemode": True},
        {"account_id": "acct_1OtherPlatform"},
        {"account_id": ""},
        {"provider_id": "acct_1Another"},
        {"provider_id": None},
    ],
)
def test_not_found(anna: ConnectedAccount, change: dict[str, Any]) -> None:
    """Nothing is remembered of the account that was there a moment ago."""
    variant = f"stripe:{anna.provider_id}"
    get_gateway(variant)
    ConnectedAccount.objects.update(**change)
    assert variant not in gateway_settings.variants
    assert not is_supported_variant(variant)
    with pytest.raises(GatewayConfigurationError, match="not connected"):
        get_gateway(variant)
    with pytest.raises(GatewayConfigurationError, match="not connected"):
        stripe_account(variant)


@pytest.mark.parametrize("options", [{}, {"direct_charges": False}, {"direct_charges": "yes"}, {"direct_charges": 1}])
def test_not_allowed(anna: ConnectedAccount, settings: Any, options: dict[str, Any]) -> None:
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, options)}
    assert f"stripe:{anna.provider_id}" not in gateway_settings.variants
    with pytest.raises(UnsupportedByGateway, match="direct_charges"):
        sell(anna)
    assert not Payment.objects.exists()


def test_platform_that_nobody_knows(anna: ConnectedAccount, settings: Any) -> None:
    """Of a key of which nobody knows whose it is, no account is known to be connected to it."""
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    assert f"stripe:{anna.provider_id}" not in gateway_settings.variants
    assert sell(anna).account_id == anna.provider_id
    settings.STRIPE_GATEWAY_ACCOUNT_ID = "acct_1Wrong"
    assert f"stripe:{anna.provider_id}" not in gateway_settings.variants


@pytest.mark.parametrize("variant", ["stripe:", "stripe:cus_1", "stripe:acct_", ":acct_1", "stripe:acct_1/2", None, 7])
def test_malformed(anna: ConnectedAccount, variant: Any) -> None:
    assert variant not in gateway_settings.variants


def test_mapping() -> None:
    entries: Any = {"stripe": (STRIPE_PROVIDER, {"direct_charges": True}), "other": (STRIPE_PROVIDER, None)}
    assert Variants(entries) == entries
    assert Variants(entries).platforms() == ["stripe"]


def test_who_can_be_paid(platform: FakeStripe, anna: ConnectedAccount) -> None:
    ConnectedAccount.objects.update(charges_enabled=False)
    # What the host holds in its hands is older than what is stored.
    assert anna.is_payable
    with pytest.raises(WrongState, match="takes no payments"):
        sell(anna)
    ConnectedAccount.objects.update(charges_enabled=True, account_id="acct_1OtherPlatform")
    with pytest.raises(InvalidInput, match="another platform"):
        sell(anna)
    with pytest.raises(InvalidInput, match="ConnectedAccount"):
        sell(anna.provider_id)  # type: ignore[arg-type]
    with pytest.raises(WrongState):
        sell(ConnectedAccount(pk=anna.pk + 1))
    assert not Payment.objects.exists()
    assert not PaymentOperation.objects.exists()


def test_gateway_of_a_seller(anna: ConnectedAccount) -> None:
    """A row that names one is no gateway: whose money it is, nobody but the host's own code says."""
    variant = f"stripe:{anna.provider_id}"
    PaymentGatewayConfig.objects.create(name="Anna", variant=variant)
    for name in ("Anna", variant):
        with pytest.raises(UnknownGateway):
            sell(None, gateway=name, amount=Decimal(1))
    assert run(check_gateway_rows, databases=["default"]) == ["W020"]


def test_webhook_address(anna: ConnectedAccount) -> None:
    """A seller's account has no secrets of its own, and no address."""
    answer = post(b'{"id": "evt_1"}', secret=CONNECT, url=f"/api/v1/webhooks/stripe/stripe:{anna.provider_id}/")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("shop", (STRIPE_PROVIDER, {"direct_charges": True, "connect_endpoint_secret": CONNECT}), []),
        ("shop", (STRIPE_PROVIDER, {"direct_charges": True}), ["W008"]),
        ("shop", (STRIPE_PROVIDER, {"direct_charges": "yes"}), ["E008"]),
        ("shop", (STRIPE_PROVIDER, {"direct_charges": True, "use_localstripe": True}), ["E025"]),
        ("shop", (PAYPAL_PROVIDER, {"direct_charges": True}), ["W002", "E025"]),
        ("s" * 33, (STRIPE_PROVIDER, {"direct_charges": True}), ["E024"]),
        ("shop:acct_1", (STRIPE_PROVIDER, {}), ["E024"]),
    ],
)
def test_checks(settings: Any, name: str, entry: Any, expected: list[str]) -> None:
    settings.PAYMENT_VARIANTS = {name: entry}
    assert run(check_variants) == expected
