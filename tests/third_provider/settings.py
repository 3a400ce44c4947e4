"""Settings of a host whose provider is Acme Pay."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as TEST_APPS

# What installing the distribution would do.
sys.path.insert(0, str(Path(__file__).parent / "src"))

INSTALLED_APPS = [*TEST_APPS, "acme_pay"]
PAYMENT_VARIANTS = {
    "acme": (
        "django_stripe_gateway.providers.GatewayProvider",
        {
            "gateway": "acme",
            "url": "http://127.0.0.1:1",
            "key": "acme-key-of-the-shop",
            "webhook_secret": "acme-webhook-secret",
        },
    )
}
STRIPE_GATEWAY_BILLING_VARIANT = "acme"

# Beside the database of the tests that started these.
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_acme_{DATABASES['default']['NAME']}"  # noqa: F405
