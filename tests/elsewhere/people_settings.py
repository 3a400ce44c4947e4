"""Settings of a host whose users have UUIDs, and whose times have no zone: it is in New York."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES
from tests.settings import INSTALLED_APPS as TEST_APPS

INSTALLED_APPS = ["tests.elsewhere.people", *TEST_APPS]
AUTH_USER_MODEL = "people.Person"
USE_TZ = False
TIME_ZONE = "America/New_York"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_people_{DATABASES['default']['NAME']}"
