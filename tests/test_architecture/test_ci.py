"""What needs another database or server is run where CI has it, with all of its cases."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ELSEWHERE = "tests/elsewhere"


def test_elsewhere_is_run_on_the_databases_that_it_is_about() -> None:
    found = ConfigParser(interpolation=None)
    found.read(ROOT / "tox.ini", encoding="utf-8")
    suites, commands = found["suite"], found["testenv"]["commands"]
    assert ELSEWHERE in suites["database"].split()
    assert suites["elsewhere"].split() == [ELSEWHERE]
    assert "further-{postgres,mariadb}: python -m pytest {posargs:{[suite]elsewhere}}" in commands


def test_no_service_is_missing_there() -> None:
    """With ``REQUIRE_SERVICES`` a missing program ends ``make test``; GitHub's machines have no PgBouncer."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "pgbouncer" in workflow
