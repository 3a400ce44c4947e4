"""``PAYMENT_VARIANTS``, and the keys of its accounts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from django_stripe_gateway.checks.variants import check_variants
from django_stripe_gateway.gateways.stripe.checks import check_accounts
from django_stripe_gateway.providers import GatewayProvider, StripeProvider
from tests.test_checks.running import run

PROVIDER = "django_stripe_gateway.providers.StripeProvider"
LIVE_KEY = "sk_live_" + "a" * 24


class HostProvider(GatewayProvider):
    """A host's own provider on top of ours."""


class HostStripeProvider(StripeProvider):
    """One whose account is Stripe's, as its class says."""


HOST_PROVIDER = f"{__name__}.HostProvider"


def variants(provider: Any = PROVIDER, **options: Any) -> Any:
    return override_settings(PAYMENT_VARIANTS={"shop": (provider, options)})


@pytest.mark.parametrize(
    "value", [None, [], {}, "stripe", {"stripe": PROVIDER}, {"stripe": (PROVIDER,)}, {1: (PROVIDER, {})}]
)
def test_e001__malformed(value: Any) -> None:
    with override_settings(PAYMENT_VARIANTS=value):
        assert run(check_variants) == ["E001"]


def test_e001__well_formed() -> None:
    with override_settings(PAYMENT_VARIANTS={"a": (PROVIDER, {}), "b": [PROVIDER, {"capture": False}]}):
        assert run(check_variants) == []


@pytest.mark.parametrize(("flow", "expected"), [("checkout", []), ("intent", []), ("", []), ("card", ["E006"])])
def test_e006__flow(flow: str, expected: list[str]) -> None:
    with variants(flow=flow):
        assert run(check_variants) == expected


@pytest.mark.parametrize(
    ("provider", "options", "expected"),
    [
        ("payments.dummy.DummyProvider", {}, []),
        ("payments.dummy.NoProvider", {}, ["E007"]),
        ("no.such.Provider", {"gateway": "stripe"}, ["E007"]),
        ("payments.dummy.DummyProvider", {"gateway": "no.such.Gateway"}, ["E007"]),
        ("payments.dummy.DummyProvider", {"gateway": "django_stripe_gateway.gateways.base.Gateway"}, []),
    ],
)
def test_e007__imports(provider: str, options: dict[str, Any], expected: list[str]) -> None:
    with variants(provider, **options):
        assert run(check_variants) == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [("capture", "False"), ("use_localstripe", "yes"), ("api_key", 5), ("api_base", "x"), ("endpoint_secret", 1)],
)
def test_e008__types_of_options(option: str, value: Any) -> None:
    with variants(**{option: value}):
        assert run(check_variants) == ["E008"]
        assert run(check_accounts) == []


@pytest.mark.parametrize(("options", "expected"), [({}, ["E009"]), ({"gateway": "stripe"}, [])])
def test_e009__own_provider(options: dict[str, Any], expected: list[str]) -> None:
    with variants(HOST_PROVIDER, **options):
        assert run(check_variants) == expected
    with variants(f"{__name__}.HostStripeProvider"):
        assert run(check_variants) == []


def test_w002__unknown_option() -> None:
    with variants(apikey="x"):
        (found,) = check_variants(None)
    assert found.id == "django_stripe_gateway.W002"
    assert found.hint == 'Did you mean "api_key"?'


def test_w002__options_of_other_providers_are_theirs() -> None:
    with variants("payments.dummy.DummyProvider", anything=1):
        assert run(check_variants) == []


@pytest.mark.parametrize("provider", ["payments.stripe.StripeProviderV3", PROVIDER])
def test_w004__upstream_provider(provider: str) -> None:
    with variants(provider):
        assert run(check_variants) == ([] if provider == PROVIDER else ["W004"])


@pytest.mark.parametrize(
    ("key", "options", "expected"),
    [
        ("sk_test_x", {}, []),
        ("", {"api_key": "rk_live_x"}, []),
        ("", {"use_localstripe": True}, []),
        ("", {}, ["E002"]),
        (None, {}, ["E002"]),
        ("pk_live_x", {}, ["E004"]),
        ("whsec_x", {}, ["E004"]),
        ("sk_test_a b", {}, ["E004"]),
        (LIVE_KEY, {"use_localstripe": True}, ["E005"]),
        (LIVE_KEY, {}, []),
    ],
)
def test_keys(key: str | None, options: dict[str, Any], expected: list[str]) -> None:
    with variants(**options), override_settings(STRIPE_GATEWAY_API_KEY=key):
        assert run(check_accounts) == expected


@pytest.mark.parametrize(
    ("secret", "options", "expected"),
    [
        ("whsec_a", {}, []),
        ("whsec_a, whsec_b", {}, []),
        ("", {"endpoint_secret": ["whsec_a"]}, []),
        ("", {"use_localstripe": True}, []),
        ("anything", {"use_localstripe": True}, []),
        ("", {}, ["E003"]),
        (None, {}, ["E003"]),
        ("sk_test_x", {}, ["W003"]),
        (["whsec_a", "b"], {}, ["W003"]),
    ],
)
def test_secrets(secret: Any, options: dict[str, Any], expected: list[str]) -> None:
    with variants(**options), override_settings(STRIPE_GATEWAY_WEBHOOK_SECRET=secret):
        assert run(check_accounts) == expected


def test_accounts__other_providers_need_no_key() -> None:
    with variants("payments.dummy.DummyProvider"), override_settings(STRIPE_GATEWAY_API_KEY=""):
        assert run(check_accounts) == []
