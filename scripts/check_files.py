"""Check the house rules that no linter knows: short files, patient tests, and nothing that only one machine has."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400
LENGTH_CHECKED = ("src", "tests", "example_project", "scripts")
SKIPPED_FOLDERS = {"__pycache__", "_build", "build", "dist", "htmlcov", "node_modules", "static_root"}
KEPT_HIDDEN = {".ci", ".editorconfig", ".github", ".gitignore", ".pre-commit-config.yaml", ".readthedocs.yaml"}
MAY_SLEEP = "tests/waiting.py"
UNWANTED_IN_TESTS = {
    f"a test sleeps; wait for the event, or with wait_until of {MAY_SLEEP}": re.compile(
        r"\btime\.sleep\(|\bfrom time import .*\bsleep\b"
    ),
    "a test reaches into a fake server; give the server a public control": re.compile(
        r"\b(?:fake|fake_stripe|stripe_server|fake_paypal|paypal_server)\._"
    ),
}
TEXT_SUFFIXES = {
    *("", ".cfg", ".css", ".html", ".ini", ".js", ".json", ".md", ".po", ".py", ".rst", ".sh", ".svg", ".toml", ".txt"),
    *(".yaml", ".yml"),
}
FORBIDDEN = {
    "names a package registry's host": re.compile(
        r"pypi\W(?:org|python)|python[h]osted|registry\Wnpm[j]s|deb\Wdebian\W", re.IGNORECASE
    ),
    "names a folder of one machine": re.compile(r"(?<![\w.~/-])/(?:work|root|tmp|home/\w+)/"),
}


def project_files() -> Iterator[Path]:
    """Yield every file of the project that is kept in git."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_symlink() or (path.name.startswith(".") and path.name not in KEPT_HIDDEN):
                continue
            if path.is_file():
                yield path
            elif path.name not in SKIPPED_FOLDERS and path.suffix != ".egg-info":
                folders.append(path)


def problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with one file, as `path:line: sentence`."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix not in TEXT_SUFFIXES:
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    is_read = path.suffix == ".py" and name.startswith(LENGTH_CHECKED) and path.parent.name != "migrations"
    if is_read and len(lines) > MAX_LINES:
        yield f"{name}:{len(lines)}: {len(lines)} lines; split it, {MAX_LINES} are the limit"
    forbidden = FORBIDDEN | (UNWANTED_IN_TESTS if name.startswith("tests/") and name != MAY_SLEEP else {})
    for number, line in enumerate(lines, start=1):
        for sentence, pattern in forbidden.items():
            if pattern.search(line):
                yield f"{name}:{number}: {sentence}: {line.strip()[:80]}"


def main() -> int:
    """Print every problem and return how the check ended."""
    found = [problem for path in project_files() for problem in problems(path)]
    for problem in found:
        print(problem)
    print(f"check_files: {len(found)} problems" if found else "check_files: all files keep the house rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
