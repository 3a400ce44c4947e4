"""Run the flows of a host that needs other settings, or another database, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).parent.parent.parent
SETTINGS = "tests.elsewhere.settings"


def environment_of(folder: Path, settings: str = SETTINGS, **further: str) -> dict[str, str]:
    """Return the environment of a process that works under other settings than these tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ELSEWHERE_"))}
    environment |= {"DJANGO_SETTINGS_MODULE": settings, "TEST_SQLITE_NAME": str(folder / "test.sqlite3")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    return environment | further


def run_flows(folder: Path, file: str, settings: str = SETTINGS, *, reuse: bool = False, **further: str) -> None:
    """Run a file of flows under other settings; fails as they do, and where one of them is skipped."""
    flows = str(Path(__file__).with_name(file))
    database = "--reuse-db" if reuse else "--create-db"
    command = [sys.executable, "-m", "pytest", f"--ds={settings}", database, "-q", "-p", "no:cacheprovider", flows]
    answer = subprocess.run(
        command,
        cwd=ROOT,
        env=environment_of(folder, settings, **further),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=280,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert " passed" in answer.stdout
    assert "skipped" not in answer.stdout


@contextlib.contextmanager
def database(suffix: str, creation: str) -> Iterator[str]:
    """Make a database on the tests' own server, and drop it afterwards; yields its name."""
    name = f"elsewhere_{suffix}_{os.getpid()}"
    execute(f"DROP DATABASE IF EXISTS {name}")
    execute(f"CREATE DATABASE {name} {creation}")
    try:
        yield name
    finally:
        execute(f"DROP DATABASE IF EXISTS {name}" + (" WITH (FORCE)" if connection.vendor == "postgresql" else ""))


def execute(statement: str) -> None:
    """Run a statement on the server, outside of every database of the tests."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)
