"""A third provider works without a line of this app's own: its host needs a process of its own for its settings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import django_stripe_gateway
from tests.custom_payment_host.test_host import run

HERE = Path(__file__).parent
SETTINGS = "tests.third_provider.settings"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_flows(tmp_path: Path) -> None:
    flows = [str(HERE / name) for name in ("flows_conformance.py", "flows_faulty.py", "flows_host.py")]
    arguments = ("pytest", f"--ds={SETTINGS}", "--create-db", "-q", "-p", "no:cacheprovider", *flows)
    printed = run(tmp_path, *arguments, settings=SETTINGS)
    assert " passed" in printed
    assert "skipped" not in printed


def test_distribution__ships_its_package() -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert (HERE / package / "__init__.py").is_file()


def test_nothing_here_knows_it() -> None:
    source = Path(django_stripe_gateway.__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in source.rglob("*") if path.suffix in {".py", ".html"}}
    assert [path for path, text in texts.items() if "acme" in text.lower()] == []
