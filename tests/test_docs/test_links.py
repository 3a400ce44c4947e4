"""Links lead somewhere, pictures exist, and every page can be found."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.test_docs.blocks import DOCS, ROOT
from tests.test_docs.tables import FENCED, sections

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Hosts that a reader may be sent to; everything else is a page of ours.
HOSTS = ("https://github.com/", "https://docs.stripe.com/")
# The package index shows the README as well, and knows no neighbouring files.
REPOSITORY = "https://github.com/django-stripe-gateway/django-stripe-gateway"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def links(path: Path) -> list[str]:
    """Return the targets of a page's links, without those in examples."""
    return LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8")))


def slug(heading: str) -> str:
    """Return the anchor that GitHub and MyST give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links(path: Path) -> None:
    for target in links(path):
        in_repository = re.fullmatch(rf"{REPOSITORY}/(?:blob|raw)/main/([^#]+)(?:#(.+))?", target)
        if in_repository:
            page, anchor = ROOT / in_repository[1], in_repository[2]
            assert page.is_file(), f"{target} does not exist"
            assert not anchor or anchor in {slug(heading) for heading in sections(page)}, target
            continue
        if target.startswith("https:"):
            assert target.startswith(HOSTS), target
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name if name else path
        assert page.is_file(), f"{target} does not exist"
        if anchor:
            assert anchor in {slug(heading) for heading in sections(page)}, target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages__stay_inside_the_documentation(path: Path) -> None:
    if path.is_relative_to(DOCS):
        for target in links(path):
            if not target.startswith("https:") and target.partition("#")[0]:
                assert (path.parent / target.partition("#")[0]).resolve().is_relative_to(DOCS), target


def test_readme__can_be_read_on_the_package_index() -> None:
    assert [target for target in links(ROOT / "README.md") if not target.startswith(("https:", "#"))] == []
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Source"] == REPOSITORY


def test_index__names_every_page() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([a-z0-9/-]+)$", index, re.MULTILINE))
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}
    assert listed == pages


def test_pictures__are_all_shown() -> None:
    shown = {Path(target).name for path in PAGES for target in links(path) if target.endswith(".png")}
    assert shown <= {path.name for path in (DOCS / "_static").glob("*.png")}
