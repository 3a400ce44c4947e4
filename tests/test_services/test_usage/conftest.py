"""The site's time zone is none that its developers live in."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _utc(settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
