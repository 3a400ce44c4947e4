"""All checks together: registered, documented, silent about a right set-up, and never raising."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Error, Warning
from django.test import override_settings

from django_stripe_gateway import checks
from django_stripe_gateway.checks import providers
from django_stripe_gateway.checks.settings import known_settings
from django_stripe_gateway.conf import SETTINGS
from django_stripe_gateway.gateways.registry import find_provider
from tests.test_checks.running import PREFIX, ids, registered, run_all

FOLDER = Path(checks.__file__).parent
SECRET = "sk_test_do_not_show"
STRANGE_VALUES: list[Any] = [
    None, "", SECRET, " ", 5, -1, 0.5, float("nan"), True, [], [SECRET], [5], (), {}, {SECRET: SECRET}, {1: 2},
    b"bytes", object(), "http://[::1", "{", "{other}",
]  # fmt: skip
OTHER_SETTINGS = ["PAYMENT_VARIANTS", "PAYMENT_MODEL", "PAYMENT_HOST", "PAYMENT_USES_SSL", "ROOT_URLCONF"]
STRANGE_VARIANTS: list[Any] = [
    *({"stripe": value} for value in STRANGE_VALUES),
    *({"stripe": ("django_stripe_gateway.providers.StripeProvider", value)} for value in STRANGE_VALUES),
    *({"stripe": (value, {})} for value in STRANGE_VALUES),
    {5: ("x", {})},
    {"stripe": ("django_stripe_gateway.providers.StripeProvider", {}), "other": None},
]


@pytest.mark.django_db
def test_right_set_up__nothing_found() -> None:
    assert run_all(deploy=False) == []


def test_every_function_is_registered() -> None:
    defined = {
        name for path in FOLDER.glob("*.py") for name in re.findall(r"^def (check_\w+)", path.read_text(), re.MULTILINE)
    }
    assert registered() == defined


def test_every_provider_brings_its_checks() -> None:
    """Those that stand beside its gateway are run through its registration."""
    for path in (FOLDER.parent / "gateways").glob("*/checks.py"):
        brought = providers.checks_of(find_provider(path.parent.name))
        run = {check.__name__ for check in (*brought.always, *brought.deployment)}
        assert run == set(re.findall(r"^def (check_\w+)", path.read_text(), re.MULTILINE))


def test_every_id_is_documented_once() -> None:
    used: list[str] = []
    for path in [*FOLDER.glob("*.py"), *(FOLDER.parent / "gateways").glob("*/checks.py")]:
        text = path.read_text()
        used += [f"E{number}" for number in re.findall(r'\berror\(\s*"(\d{3})"', text)]
        used += [f"W{number}" for number in re.findall(r'\bwarning\(\s*"(\d{3})"', text)]
    documented = re.findall(r"^([EW]\d{3}) ", checks.__doc__ or "", re.MULTILINE)
    assert sorted(set(used)) == sorted(documented)


def test_every_setting_has_a_rule() -> None:
    assert sorted(f"STRIPE_GATEWAY_{name}" for name in SETTINGS) == list(known_settings())


@pytest.mark.parametrize("name", [*known_settings(), *OTHER_SETTINGS])
@pytest.mark.django_db
def test_no_value_makes_a_check_raise_or_shows_it(name: str) -> None:
    for value in STRANGE_VALUES:
        with override_settings(**{name: value}):
            found = run_all(databases=["default"])
        assert all(str(message.id).startswith(PREFIX) for message in found)
        # A dotted path that cannot be imported is shown; nothing else is.
        if name not in OTHER_SETTINGS and not name.endswith(("_CLASSES", "_SERIALIZERS", "_ADAPTER")):
            assert all(SECRET not in f"{message.msg} {message.hint}" for message in found)


@pytest.mark.django_db
def test_no_variants_make_a_check_raise() -> None:
    for value in STRANGE_VARIANTS:
        with override_settings(PAYMENT_VARIANTS=value):
            assert ids(run_all(databases=["default"]))


@pytest.mark.parametrize(
    "option", ["api_key", "endpoint_secret", "api_base", "api_version", "flow", "gateway", "capture"]
)
@pytest.mark.django_db
def test_no_option_makes_a_check_raise(option: str) -> None:
    for value in STRANGE_VALUES:
        variants = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {option: value})}
        with override_settings(PAYMENT_VARIANTS=variants):
            found = run_all(databases=["default"])
        if option in ("api_key", "endpoint_secret"):
            assert all(SECRET not in f"{message.msg} {message.hint}" for message in found)


@pytest.mark.django_db
def test_levels_agree_with_ids() -> None:
    with override_settings(STRIPE_GATEWAY_API_KEY="", STRIPE_GATEWAY_TYPO=1):
        found = run_all()
    assert {"E002", "W001"} <= set(ids(found))
    for message in found:
        assert isinstance(message, Error if ".E" in str(message.id) else Warning)
