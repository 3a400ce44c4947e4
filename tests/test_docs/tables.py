"""Read the tables and sections of a Markdown document."""

from __future__ import annotations

import re
from pathlib import Path

CODE = re.compile(r"`([^`]+)`")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
FENCED = re.compile(r"^ *(`{3,}).*?^ *\1 *$", re.MULTILINE | re.DOTALL)


def sections(path: Path) -> dict[str, str]:
    """Return the text below each heading, up to the next heading of any level."""
    text = path.read_text(encoding="utf-8")
    bare = FENCED.sub(lambda match: re.sub(r"(?m)^#", " ", match[0]), text)
    found = list(HEADING.finditer(bare))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {match[2].strip("`"): text[match.end() : end] for match, end in zip(found, ends, strict=True)}


def rows(text: str, first: str = "") -> list[list[str]]:
    """Return the cells of the rows of the first table in ``text`` (whose first column is called ``first``)."""
    found: list[list[str]] = []
    is_wanted = False
    for line in text.splitlines():
        if not line.startswith("|"):
            if found:
                break
            is_wanted = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not is_wanted:
            is_wanted = not first or cells[0] == first
            continue
        if set("".join(cells)) <= set("-: "):
            continue
        if is_wanted:
            found.append(cells)
    return found


def codes(text: str) -> list[str]:
    """Return what stands in backticks."""
    return CODE.findall(text)
