"""The signed addresses that a provider sends the customer's browser back to."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from payments import get_payment_model

from django_stripe_gateway.models.return_urls import default_base_url, is_valid_signature, sign_payment_id


def test_signature__is_for_one_payment() -> None:
    signature = sign_payment_id(7)
    assert is_valid_signature(7, signature)
    assert is_valid_signature("7", signature)
    for other in (8, 70, "07", "7:8", "", None):
        assert not is_valid_signature(other, signature)  # type: ignore[arg-type]
    assert sign_payment_id("7:8") != signature


def test_signature__does_not_open_a_prefix_of_its_id() -> None:
    assert not is_valid_signature("a", f"b:{sign_payment_id('a:b')}")


@pytest.mark.parametrize("signature", ["", "x", "7", ":", "é" * 43, "\x00", "a:b:c", None, "A" * 10_000])
def test_signature__forged(signature: Any) -> None:
    assert not is_valid_signature(7, signature)


def test_signature__every_changed_letter_is_noticed() -> None:
    signature = sign_payment_id(7)
    for place, letter in enumerate(signature[:-1]):
        changed = signature[:place] + ("A" if letter != "A" else "B") + signature[place + 1 :]
        assert not is_valid_signature(7, changed)


def test_signature__outlives_a_rotation_of_the_key() -> None:
    with override_settings(SECRET_KEY="old", SECRET_KEY_FALLBACKS=[]):
        signature = sign_payment_id(7)
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["older", "old"]):
        assert is_valid_signature(7, signature)
        assert sign_payment_id(7) != signature
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
        assert not is_valid_signature(7, signature)


@pytest.mark.parametrize(
    ("host", "ssl", "expected"),
    [
        ("shop.example.com", True, "https://shop.example.com"),
        ("shop.example.com", False, "http://shop.example.com"),
        ("localhost:8000", False, "http://localhost:8000"),
        (lambda: "tenant.example.com", True, "https://tenant.example.com"),
    ],
)
def test_base_url(host: Any, ssl: bool, expected: str) -> None:
    with override_settings(PAYMENT_HOST=host, PAYMENT_USES_SSL=ssl):
        assert default_base_url() == expected


def test_base_url__ssl_follows_debug(settings: Any) -> None:
    del settings.PAYMENT_USES_SSL
    settings.DEBUG = False
    assert default_base_url() == "https://shop.test"
    settings.DEBUG = True
    assert default_base_url() == "http://shop.test"


def test_base_url__host_unset() -> None:
    with override_settings(PAYMENT_HOST=None), pytest.raises(ImproperlyConfigured, match='PAYMENT_HOST = "shop'):
        default_base_url()


@pytest.mark.parametrize(("method", "page"), [("get_success_url", "success"), ("get_failure_url", "failure")])
def test_return_url(method: str, page: str) -> None:
    payment = get_payment_model()(pk=7)
    url = urlsplit(getattr(payment, method)())
    assert (url.scheme, url.netloc, url.path) == ("https", "shop.test", f"/api/v1/payments/7/{page}/")
    (signature,) = parse_qs(url.query)["signature"]
    assert is_valid_signature(7, signature, token=payment.token)
    # One of another tenant's, which has the same key.
    assert not is_valid_signature(7, signature, token="other")
    assert not is_valid_signature(7, signature)
    assert payment.token not in url.geturl()


def test_return_url__of_a_request() -> None:
    payment = get_payment_model()(pk=7)
    payment.base_url = "http://127.0.0.1:8000"
    with override_settings(PAYMENT_HOST=None):
        assert payment.get_success_url().startswith("http://127.0.0.1:8000/api/v1/payments/7/success/?signature=")


SITES = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF="tests.urls", PAYMENT_USES_SSL=True, SITE_ID=1,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sites",
                    "rest_framework", "django_stripe_gateway"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.sites.models import Site
Site.objects.exclude(pk={site_id}).delete()
from django_stripe_gateway.models.return_urls import default_base_url
print(default_base_url())
"""


@pytest.mark.parametrize(
    ("site_id", "expected"),
    [(1, "https://example.com"), (2, "No Site has the id SITE_ID. Add one, or set PAYMENT_HOST")],
)
def test_base_url__of_the_sites_framework(site_id: int, expected: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", SITES.format(site_id=site_id)],
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert expected in answer.stdout + answer.stderr
