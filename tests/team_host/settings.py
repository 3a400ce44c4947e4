"""Settings of a host whose customers are ``teams.Team``."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as TEST_APPS

INSTALLED_APPS = [*TEST_APPS, "tests.team_host.teams"]
STRIPE_GATEWAY_OWNER_MODEL = "teams.Team"
STRIPE_GATEWAY_ADAPTER = "tests.team_host.teams.billing.TeamsPay"

# Beside the database of the tests that started these.
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_teams_{DATABASES['default']['NAME']}"  # noqa: F405
