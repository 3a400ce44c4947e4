"""An interpreter with the real packages: LEGACY_PYTHON names it, as the tox environment ``legacy`` does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
Make = Callable[..., None]


@pytest.fixture
def make() -> Make:
    """Return a function that runs a script of this folder with the real packages."""
    python = os.environ.get("LEGACY_PYTHON")
    if not python:
        message = "LEGACY_PYTHON names no interpreter with dj-stripe and django-payments; tox -e legacy makes one"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)

    def run(script: str, *arguments: object) -> None:
        command = [python, str(HERE / script), *map(str, arguments)]
        # Nothing of this project, or of its tests' settings.
        environment = {"PATH": os.environ.get("PATH", "")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-3000:]

    return run
