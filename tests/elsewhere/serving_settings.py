"""Settings of a host in a server of its own, on the database of the test that has started it."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"] |= {"NAME": os.environ.get("ELSEWHERE_DATABASE", ""), "CONN_MAX_AGE": 0}
STRIPE_GATEWAY_API_BASE = os.environ.get("ELSEWHERE_STRIPE", "")
STRIPE_GATEWAY_TIMEOUT = 20
