"""Settings of a host whose payments are ``shop.ShopPayment``, with its app listed before ours."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as TEST_APPS

INSTALLED_APPS = [
    "tests.custom_payment_host.shop",
    *(app for app in TEST_APPS if not app.startswith("tests.")),
    "payments",
]
PAYMENT_MODEL = "shop.ShopPayment"
ROOT_URLCONF = "tests.custom_payment_host.urls"

# Beside the database of the tests that started these.
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_shop_{DATABASES['default']['NAME']}"  # noqa: F405

# MariaDB converts times (the admin's date hierarchy) only where its time zone tables are filled.
TIME_ZONE = "UTC"
