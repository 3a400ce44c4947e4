from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest

from django_stripe_gateway.conf import STRIPE_PROVIDER, gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, GatewayError
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.accounts import stripe_account, stripe_accounts
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.test_gateways.accounts import make_account

KEY = "sk_test_51SecretOfTheDefault"
OWN_KEY = "sk_live_51SecretOfTheShop"
SECRET = "whsec_SecretOfTheDefault"
OWN_SECRET = "whsec_SecretOfTheShop"
SECRETS = (KEY, OWN_KEY, SECRET, OWN_SECRET)


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = KEY
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = SECRET
    settings.STRIPE_GATEWAY_API_BASE = "https://proxy.test/"
    settings.STRIPE_GATEWAY_API_VERSION = "2026-10-28.endive"
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "shop": (
            STRIPE_PROVIDER,
            {
                "api_key": OWN_KEY,
                "endpoint_secret": f"{OWN_SECRET}, whsec_old",
                "api_base": "https://other.test/",
                "api_version": "2025-03-31.basil",
                "capture": False,
                "flow": "intent",
            },
        ),
        "local": (STRIPE_PROVIDER, {"use_localstripe": True, "api_key": "sk_test_local"}),
        "subclass": ("shop.providers.OurStripe", {"gateway": "stripe"}),
        "bare": (STRIPE_PROVIDER, None),
        "dummy": ("payments.dummy.DummyProvider", {}),
    }


def test_defaults() -> None:
    account = stripe_account("stripe")
    assert account == make_account(
        variant="stripe",
        api_key=KEY,
        webhook_secrets=(SECRET,),
        api_base="https://proxy.test",
        api_version="2026-10-28.endive",
        flow="checkout",
        account_id=DEFAULT_ACCOUNT,
    )
    assert not account.livemode


def test_own_options() -> None:
    account = stripe_account("shop")
    assert account == make_account(
        variant="shop",
        api_key=OWN_KEY,
        webhook_secrets=(OWN_SECRET, "whsec_old"),
        api_base="https://other.test",
        api_version="2025-03-31.basil",
        manual_capture=True,
    )
    assert account.livemode


def test_localstripe(settings: Any) -> None:
    account = stripe_account("local")
    assert (account.is_localstripe, account.flow) == (True, "intent")
    assert account.api_base == "http://127.0.0.1:8420"
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_API_KEY = ""
    assert stripe_account("stripe").api_key == "sk_test_123"
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, {"use_localstripe": False, "flow": "intent"})}
    account = stripe_account("stripe")
    assert (account.is_localstripe, account.flow, account.api_key) == (False, "intent", "")


def test_provider_of_the_host__named_as_stripe() -> None:
    assert stripe_account("subclass").api_key == KEY


def test_options_of_none() -> None:
    assert stripe_account("bare").api_key == KEY


def test_key__without_the_line_end_of_its_file(settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = f" {KEY}\n"
    assert stripe_account("stripe").api_key == KEY


def test_accounts__of_stripe_only() -> None:
    assert [account.variant for account in stripe_accounts()] == ["stripe", "shop", "local", "subclass", "bare"]


@pytest.mark.parametrize("variant", ["dummy", "nobody", "", OWN_KEY])
def test_unknown(variant: str) -> None:
    with pytest.raises(GatewayConfigurationError) as caught:
        stripe_account(variant)
    assert STRIPE_PROVIDER in caught.value.detail


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (SECRET,)),
        ({"api_key": KEY}, (SECRET,)),
        ({"api_key": f"{KEY}\n"}, (SECRET,)),
        # Another account's events, which the default secret does not sign: taking it would attribute to this account
        # what the default one sent.
        ({"api_key": OWN_KEY}, ()),
        ({"api_key": OWN_KEY, "endpoint_secret": OWN_SECRET}, (OWN_SECRET,)),
        ({"endpoint_secret": [OWN_SECRET, "", " whsec_b "]}, (OWN_SECRET, "whsec_b")),
        ({"endpoint_secret": " , "}, (SECRET,)),
    ],
)
def test_webhook_secrets(settings: Any, options: dict[str, Any], expected: tuple[str, ...]) -> None:
    settings.PAYMENT_VARIANTS = {"one": (STRIPE_PROVIDER, options)}
    assert stripe_account("one").webhook_secrets == expected


def test_webhook_secrets__no_default_key(settings: Any) -> None:
    """The keys of all accounts stand in the variants, and one secret for the only one of them outside."""
    settings.STRIPE_GATEWAY_API_KEY = ""
    settings.PAYMENT_VARIANTS = {"one": (STRIPE_PROVIDER, {"api_key": OWN_KEY})}
    assert stripe_account("one").webhook_secrets == (SECRET,)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"is_localstripe": True, "webhook_secrets": ()}, True),
        ({"is_localstripe": True, "webhook_secrets": (SECRET,)}, False),
        ({"is_localstripe": False, "webhook_secrets": ()}, False),
        # A production key in a project that was left in development mode.
        ({"is_localstripe": True, "webhook_secrets": (), "api_key": "sk_live_1"}, False),
        ({"is_localstripe": True, "webhook_secrets": (), "api_key": "rk_live_1"}, False),
    ],
)
def test_accepts_unsigned_webhooks(fields: dict[str, Any], expected: bool) -> None:
    assert make_account(**fields).accepts_unsigned_webhooks is expected


def test_secrets__in_no_text_or_pickle() -> None:
    things: list[Any] = [gateway_settings, get_gateway("shop"), get_gateway("stripe"), *stripe_accounts()]
    for variant in ("nobody", "dummy"):
        with pytest.raises(GatewayError) as caught:
            stripe_account(variant)
        things.append(caught.value)
    for thing in things:
        shown = f"{thing!r} {thing} {pickle.dumps(thing)!r} {[thing]!r}"
        assert [secret for secret in SECRETS if secret in shown] == []


def test_pickle__finds_the_settings_again() -> None:
    for variant in ("stripe", "shop"):
        account = stripe_account(variant)
        assert pickle.loads(pickle.dumps(account)) == copy.deepcopy(account) == account
    assert pickle.loads(pickle.dumps(get_gateway("shop"))).account == stripe_account("shop")


def test_remembered__until_a_setting_changes(settings: Any) -> None:
    account, gateway = stripe_account("stripe"), get_gateway("stripe")
    assert stripe_account("stripe") is account
    assert get_gateway("stripe") is gateway
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_another"
    assert stripe_account("stripe").api_key == get_gateway("stripe").account.api_key == "sk_test_another"


def test_remembered__until_the_variants_are_changed_in_place(settings: Any) -> None:
    before = [get_gateway("stripe"), get_gateway("shop")]
    settings.PAYMENT_VARIANTS["shop"][1]["api_key"] = "sk_test_rotated"
    settings.PAYMENT_VARIANTS["new"] = (STRIPE_PROVIDER, {"api_key": "sk_test_new"})
    assert get_gateway("shop").account.api_key == "sk_test_rotated"
    assert get_gateway("new").account.api_key == "sk_test_new"
    assert [account.variant for account in stripe_accounts()][-1] == "new"
    del settings.PAYMENT_VARIANTS["shop"]
    with pytest.raises(GatewayConfigurationError):
        get_gateway("shop")
    assert before[1].account.api_key == OWN_KEY


@pytest.mark.parametrize("blank", [" ", "\n", "\t \n"])
def test_blank_key__is_not_the_default_one(settings: Any, blank: str) -> None:
    """A secret that was mounted empty must not charge in another account."""
    settings.PAYMENT_VARIANTS = {"eu": (STRIPE_PROVIDER, {"api_key": blank})}
    assert stripe_account("eu").api_key == ""


def test_error_while_a_gateway_is_made__shows_no_key_in_its_frames(settings: Any) -> None:
    settings.PAYMENT_VARIANTS["shop"][1]["flow"] = "mistyped"
    for variant in ("shop", "nope"):
        with pytest.raises(GatewayConfigurationError) as caught:
            get_gateway(variant)
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        text = "".join(frames.format()).partition("conf/setting.py")[2]
        assert not [secret for secret in SECRETS if secret in text]
