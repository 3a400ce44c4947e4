"""The examples of the documentation do what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fake_stripe.server import FakeStripe
from tests.test_docs.blocks import DOCS, ROOT, mode, steps
from tests.test_docs.guide import guide
from tests.test_docs.project import Project

DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
MODES = {path: mode(path) for path in DOCUMENTS}


def documents(wanted: str) -> list[Any]:
    """Return the documents that are run in one way."""
    return [
        pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path, found in MODES.items() if found == wanted
    ]


@pytest.mark.parametrize("path", documents("stripe"))
@pytest.mark.django_db(transaction=True)
def test_guide__stripe(path: Path, settings: Any, user: Any, stripe_server: FakeStripe) -> None:
    with guide(settings, user, stripe_server) as followed:
        followed.follow(path)


@pytest.mark.localstripe
@pytest.mark.parametrize("path", documents("localstripe"))
@pytest.mark.django_db(transaction=True)
def test_guide__localstripe(path: Path, settings: Any, user: Any, localstripe: str) -> None:
    with guide(settings, user, None) as followed:
        followed.follow(path)


@pytest.mark.localstripe
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", documents("project"))
def test_guide__project(path: Path, tmp_path: Path, fake_stripe: FakeStripe) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    project = Project(folder, fake_stripe)
    try:
        project.follow(path)
    except BaseException:
        for log in tmp_path.glob("*.log"):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        project.close()


def test_modes() -> None:
    assert set(MODES.values()) <= {"", "stripe", "localstripe", "project"}


@pytest.mark.parametrize("path", [path for path, found in MODES.items() if not found], ids=str)
def test_guide__nothing_is_left_untested(path: Path) -> None:
    run = [step.place for step in steps(path) if step.language in ("python", "pycon") and not step.test]
    assert run == [], "Say how these blocks are run: <!-- doc: stripe --> at the top, or <!-- test: skip why -->"
