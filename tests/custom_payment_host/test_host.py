"""Run the second host: its settings name another payment model, so it needs a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SETTINGS = "tests.custom_payment_host.settings"


def run(folder: Path, *arguments: str, settings: str = SETTINGS) -> str:
    """Run a Python module under the host's settings, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"DJANGO_SETTINGS_MODULE": settings, "TEST_SQLITE_NAME": str(folder / "test.sqlite3")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    answer = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.timeout(300)
def test_flows(tmp_path: Path) -> None:
    flows = str(Path(__file__).with_name("flows.py"))
    printed = run(tmp_path, "pytest", f"--ds={SETTINGS}", "--create-db", "-q", "-p", "no:cacheprovider", flows)
    assert " passed" in printed
    assert "skipped" not in printed
