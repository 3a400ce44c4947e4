"""Users that are known by a UUID, and times without a zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.elsewhere.running import run_flows

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.timeout(300)]


def test_flows(tmp_path: Path) -> None:
    run_flows(tmp_path, "people_flows.py", "tests.elsewhere.people_settings")
