"""`manage.py check` in small host projects: clean when they are right, a sentence and never a traceback when not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_checks.hosts import Host

pytestmark = pytest.mark.slow

PROVIDER = "django_stripe_gateway.providers.StripeProvider"
CLEAN = "System check identified no issues (0 silenced)."
PAYMENT_MODELS = """
from django.db import models
from django_stripe_gateway.models import AbstractPayment

class Payment(AbstractPayment):
    table_number = models.IntegerField(default=0)
"""
TOKENS = ["rest_framework.authentication.TokenAuthentication"]


def test_smallest_set_up__clean(tmp_path: Path) -> None:
    assert Host(tmp_path).check().strip() == CLEAN


@pytest.mark.parametrize("position", ["before", "after"])
def test_own_payment_model__clean(tmp_path: Path, position: str) -> None:
    host = Host(tmp_path, **{"apps" if position == "before" else "later_apps": ("shop",)})
    host.add_app("shop", models=PAYMENT_MODELS)
    printed = host.check(PAYMENT_MODEL="shop.Payment", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
    assert printed.strip() == CLEAN


def test_own_payment_model__key_is_no_number(tmp_path: Path) -> None:
    host = Host(tmp_path, apps=("shop",))
    key = "    id = models.UUIDField(primary_key=True)\n"
    host.add_app("shop", models=PAYMENT_MODELS + key)
    fields = {"DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField"}
    assert "django_stripe_gateway.E017" in host.check(PAYMENT_MODEL="shop.Payment", **fields)
    key = "    id = models.PositiveSmallIntegerField(primary_key=True)\n"
    host.add_app("shop", models=PAYMENT_MODELS + key)
    assert host.check(PAYMENT_MODEL="shop.Payment", **fields).strip() == CLEAN


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"STRIPE_GATEWAY_API_KEY": None}, ["E002"]),
        ({"STRIPE_GATEWAY_WEBHOOK_SECRET": None}, ["E003"]),
        ({"STRIPE_GATEWAY_API_KEY": 5, "STRIPE_GATEWAY_WEBHOOK_SECRET": 5}, ["E013"]),
        ({"STRIPE_GATEWAY_THROTTLE_RATES": 5, "STRIPE_GATEWAY_SERIALIZERS": [1]}, ["E013"]),
        ({"STRIPE_GATEWAY_AUTHENTICATION_CLASSES": 7, "STRIPE_GATEWAY_PAGE_SIZE": "x"}, ["E013"]),
        ({"STRIPE_GATEWAY_SERIALIZERS": {"Payment": "no.such.Thing"}}, ["E014"]),
        ({"STRIPE_GATEWAY_API_KYE": "x"}, ["W001", "STRIPE_GATEWAY_API_KEY"]),
        ({"PAYMENT_VARIANTS": []}, ["E001"]),
        ({"PAYMENT_VARIANTS": {"stripe": (PROVIDER, None)}}, ["E001"]),
        ({"PAYMENT_VARIANTS": {"stripe": (PROVIDER, {"flow": "card"})}}, ["E006"]),
        ({"PAYMENT_VARIANTS": {"stripe": ("no.such.Provider", {})}}, ["E007"]),
        ({"PAYMENT_MODEL": "shop.Payment"}, ["E010"]),
        ({"PAYMENT_MODEL": "nonsense"}, ["E010"]),
        ({"PAYMENT_MODEL": "auth.User"}, ["E010"]),
        ({"PAYMENT_HOST": "https://shop.example.com"}, ["E016"]),
        ({"PAYMENT_HOST": None}, ["W030", 'Add PAYMENT_HOST = "shop.example.com"']),
        (
            {"STRIPE_GATEWAY_AUTHENTICATION_CLASSES": TOKENS},
            ["E011", 'Add "rest_framework.authtoken" to INSTALLED_APPS.'],
        ),
        ({"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": TOKENS}}, ["E011", "rest_framework.authtoken"]),
    ],
)
def test_broken__a_sentence(tmp_path: Path, settings: dict[str, Any], expected: list[str]) -> None:
    printed = Host(tmp_path).check(**settings)
    for text in expected:
        assert text in printed


def test_without_rest_framework(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.installed.remove("rest_framework")
    assert 'Add "rest_framework" to INSTALLED_APPS.' in host.check()


def test_without_urls(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write("host_urls.py", "urlpatterns = []")
    host.installed.remove("django.contrib.admin")
    assert "E012" in host.check()


def test_template_override_in_the_wrong_place(tmp_path: Path) -> None:
    host = Host(tmp_path, later_apps=("shop",))
    host.add_app("shop")
    host.write("shop/templates/django_stripe_gateway/payment_return.html", "mine")
    assert "W005" in host.check()


def test_deploy__localstripe_in_production(tmp_path: Path) -> None:
    host = Host(tmp_path)
    production = {"DEBUG": False, "ALLOWED_HOSTS": ["shop.test"], "STRIPE_GATEWAY_USE_LOCALSTRIPE": True}
    done = host.run("check", "--deploy", **production)
    assert done.returncode == 1
    assert "E030" in done.stderr


def test_deploy__warnings_of_the_smallest_set_up(tmp_path: Path) -> None:
    printed = Host(tmp_path).check("--deploy", DEBUG=False, ALLOWED_HOSTS=["shop.test"])
    assert "E03" not in printed
    for number in ("W032", "W034"):
        assert f"django_stripe_gateway.{number}" in printed


def test_database__before_the_first_migration_and_after(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.check("--database", "default").strip() == CLEAN
    assert host.run("migrate").returncode == 0
    assert host.check("--database", "default").strip() == CLEAN
    variants = {"other": (PROVIDER, {})}
    assert "W020" in host.check("--database", "default", PAYMENT_VARIANTS=variants)
