"""Run the host of teams: its settings name another owner, so it needs a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.custom_payment_host.test_host import run

SETTINGS = "tests.team_host.settings"


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.timeout(300)
def test_flows(tmp_path: Path) -> None:
    flows = str(Path(__file__).with_name("flows.py"))
    arguments = ("pytest", f"--ds={SETTINGS}", "--create-db", "-q", "-p", "no:cacheprovider", flows)
    printed = run(tmp_path, *arguments, settings=SETTINGS)
    assert " passed" in printed
    assert "skipped" not in printed
