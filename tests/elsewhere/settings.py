"""Settings of a host on the database that ``ELSEWHERE_DATABASE`` names, which is there already."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

if name := os.environ.get("ELSEWHERE_DATABASE"):
    DATABASES["default"] |= {"NAME": name, "TEST": {"NAME": name}}
if port := os.environ.get("ELSEWHERE_PORT"):
    DATABASES["default"] |= {"HOST": "127.0.0.1", "PORT": port}
    # A pooler takes no such option when a connection begins.
    DATABASES["default"].pop("OPTIONS", None)
