"""Apps, payment model, host name, URLs and the order of templates."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import override_settings
from rest_framework.authentication import TokenAuthentication

from django_stripe_gateway.checks import project
from django_stripe_gateway.checks.project import (
    check_apps,
    check_payment_host,
    check_payment_model,
    check_template_order,
    check_urls,
)
from django_stripe_gateway.conf import unset_payment_host
from tests.test_checks.running import run


@pytest.mark.parametrize("missing", ["rest_framework", "django.contrib.auth", "django.contrib.contenttypes"])
def test_e011__missing_app(settings: Any, monkeypatch: Any, missing: str) -> None:
    real = project.apps.is_installed
    monkeypatch.setattr(project.apps, "is_installed", lambda name: name != missing and real(name))
    (found,) = check_apps(None)
    assert found.id == "django_stripe_gateway.E011"
    assert found.hint == f'Add "{missing}" to INSTALLED_APPS.'


def test_e011__all_there() -> None:
    assert run(check_apps) == []


class OwnTokens(TokenAuthentication):
    """Tokens in a model of the host's."""

    model = object


@pytest.mark.parametrize(
    ("own", "of_drf", "expected"),
    [
        (["rest_framework.authentication.TokenAuthentication"], [], ["E011"]),
        (None, ["rest_framework.authentication.TokenAuthentication"], ["E011"]),
        (["rest_framework.authentication.SessionAuthentication"], ["no.such.Thing"], []),
        ([f"{__name__}.OwnTokens"], [], []),
        (["no.such.Thing"], [], []),
        (None, ["no.such.Thing"], []),
        ("wrong", [], []),
    ],
)
def test_e011__tokens(monkeypatch: Any, settings: Any, own: Any, of_drf: list[str], expected: list[str]) -> None:
    real = project.apps.is_installed
    monkeypatch.setattr(project.apps, "is_installed", lambda name: name != "rest_framework.authtoken" and real(name))
    settings.STRIPE_GATEWAY_AUTHENTICATION_CLASSES = own
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_AUTHENTICATION_CLASSES": of_drf}
    assert run(check_apps) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("django_stripe_gateway.Payment", []),
        ("Payment", ["E010"]),
        ("a.b.C", ["E010"]),
        (None, ["E010"]),
        (5, ["E010"]),
        ("shop.Payment", ["E010"]),
        ("django_stripe_gateway.Nothing", ["E010"]),
        ("auth.User", ["E010"]),
    ],
)
def test_e010__payment_model(value: Any, expected: list[str]) -> None:
    with override_settings(PAYMENT_MODEL=value):
        assert run(check_payment_model) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("shop.example.com", []),
        ("localhost:8000", []),
        ("[::1]:8000", []),
        (lambda: "shop.example.com", []),
        (None, ["W030"]),
        (unset_payment_host, ["W030"]),
        ("https://shop.example.com", ["E016"]),
        ("shop.example.com/pay", ["E016"]),
        (5, ["E016"]),
    ],
)
def test_e016_w030__payment_host(value: Any, expected: list[str]) -> None:
    with override_settings(PAYMENT_HOST=value):
        assert run(check_payment_host) == expected


def urlconf(text: str) -> ModuleType:
    module = ModuleType("urlconf_of_a_test")
    code = "from django.urls import include, path\nurlpatterns = " + text
    exec(code, module.__dict__)
    return module


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ('[path("pay/", include("django_stripe_gateway.urls"))]', []),
        ('[path("pay/", include("django_stripe_gateway.urls", namespace="billing"))]', []),
        ('[path("x/", include([path("pay/", include("django_stripe_gateway.urls"))]))]', []),
        ("[]", ["E012"]),
        ('[path("x/", include(([path("pay/", include("django_stripe_gateway.urls"))], "shop")))]', ["E012"]),
    ],
)
def test_e012__urls(patterns: str, expected: list[str]) -> None:
    with override_settings(ROOT_URLCONF=urlconf(patterns)):
        assert run(check_urls) == expected


def test_e012__broken_urlconf_is_for_django_to_report() -> None:
    with override_settings(ROOT_URLCONF="no.such.module"):
        assert run(check_urls) == []


class FakeConfig:
    def __init__(self, name: str, path: Path | str) -> None:
        self.name, self.path = name, str(path)


@pytest.mark.parametrize(
    ("template", "is_after", "expected"),
    [
        ("django_stripe_gateway/payment_return.html", True, ["W005"]),
        ("django_stripe_gateway/payment_return.html", False, []),
        ("admin/django_stripe_gateway/action.html", True, ["W005"]),
        ("django_stripe_gateway/of_the_host_alone.html", True, []),
        ("shop/payment_return.html", True, []),
    ],
)
def test_w005__template_order(
    tmp_path: Path, monkeypatch: Any, template: str, is_after: bool, expected: list[str]
) -> None:
    path = tmp_path / "templates" / template
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    own = FakeConfig("django_stripe_gateway", project.apps.get_app_config("django_stripe_gateway").path)
    host = FakeConfig("shop", tmp_path)
    monkeypatch.setattr(project.apps, "get_app_configs", lambda: [own, host] if is_after else [host, own])
    found = check_template_order(None)
    assert run(check_template_order) == expected
    if found:
        assert found[0].hint == 'Move "shop" above "django_stripe_gateway" in INSTALLED_APPS.'
