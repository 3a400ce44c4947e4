"""Read a Markdown document as the steps that it consists of.

A step is a fenced block, or a comment that readers do not see: ``<!-- given: … -->`` and ``<!-- then: … -->`` hold
Python that prepares or checks something, ``<!-- test: … -->`` says what the fenced block below it is.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
STEP = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^ *(?P=ticks) *$"
    r"|^ *<!-- (?P<verb>given|then|test|doc): (?P<code>.*?) -->",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\$ ", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One step of a document; ``verb`` is "block" for a fenced block, ``test`` what the comment above it says."""

    path: Path
    line: int
    verb: str
    text: str
    language: str = ""
    test: str = ""

    @property
    def place(self) -> str:
        """Return where the step is, for messages."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    def compiled(self) -> object:
        """Return the step's Python, with line numbers of the document in its tracebacks."""
        source = "\n" * self.line + self.text if self.verb == "block" else "\n" * (self.line - 1) + self.text
        return compile(source, str(self.path), "exec")


@dataclass(frozen=True)
class Command:
    """One command of a console block, with the output that is shown below it."""

    text: str
    output: str


def steps(path: Path) -> Iterator[Step]:
    """Yield the steps of a document in order."""
    source = path.read_text(encoding="utf-8")
    pending = ""
    for match in STEP.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        if match["verb"] == "test":
            pending = match["code"].strip()
        elif match["verb"]:
            yield Step(path, line, match["verb"], textwrap.dedent(match["code"]).strip())
        else:
            text = textwrap.dedent(match["text"])
            yield Step(path, line, "block", text, match["language"].strip(), pending)
            pending = ""


def mode(path: Path) -> str:
    """Return how a document is run: what its ``<!-- doc: … -->`` says."""
    return next((step.text for step in steps(path) if step.verb == "doc"), "")


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a console block."""
    for chunk in COMMAND.split(text)[1:]:
        lines = chunk.splitlines()
        count = 1
        while lines[count - 1].endswith("\\"):
            count += 1
        command = " ".join(line.removesuffix("\\").strip() for line in lines[:count])
        yield Command(command, "\n".join(lines[count:]).strip())


def pattern(text: str) -> re.Pattern[str]:
    """Return what matches ``text``, in which … stands for anything."""
    return re.compile(".*?".join(re.escape(part) for part in text.split("…")), re.DOTALL)


def assert_output(shown: str, actual: str, place: str) -> None:
    """Compare the lines that a document shows with what a command has printed."""
    actual = "\n".join(line.rstrip() for line in actual.strip().splitlines())
    assert pattern(shown).fullmatch(actual), f"{place} shows\n{shown}\nbut the command printed\n{actual}"


def assert_like(shown: object, actual: object, place: str) -> None:
    """Compare the JSON that a document shows with an answer; … stands for any text, a key of … for other keys."""
    if isinstance(shown, dict):
        assert isinstance(actual, dict), f"{place}: {actual!r}"
        wanted = {name: value for name, value in shown.items() if name != "…"}
        missing = wanted.keys() - actual.keys()
        unshown = set() if "…" in shown else actual.keys() - wanted.keys()
        assert not missing, f"{place} shows {sorted(missing)}, but the answer is {actual}"
        assert not unshown, f"{place} does not show {sorted(unshown)} of the answer {actual}"
        for name, value in wanted.items():
            assert_like(value, actual[name], f"{place}, {name}")
    elif isinstance(shown, list):
        assert isinstance(actual, list), f"{place}: {actual!r}"
        assert len(shown) == len(actual), f"{place}: {actual!r}"
        for value, other in zip(shown, actual, strict=True):
            assert_like(value, other, place)
    elif place.endswith(("payment_id", "log_id", "plan_id", "pricing_id")):
        # Databases count on between tests.
        assert type(shown) is type(actual), f"{place} shows {shown!r}, but the answer has {actual!r}"
    elif isinstance(shown, str) and "…" in shown:
        assert pattern(shown).fullmatch(str(actual)), f"{place} shows {shown!r}, but the answer has {actual!r}"
    else:
        assert shown == actual, f"{place} shows {shown!r}, but the answer has {actual!r}"
