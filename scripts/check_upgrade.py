"""Check with django-upgrade that the code uses what the oldest supported Django offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "example_project")
OLDEST_DJANGO = "5.2"


def main() -> int:
    """Run django-upgrade over every source file, without changing one."""
    files = [str(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    command = [sys.executable, "-m", "django_upgrade", "--check", "--target-version", OLDEST_DJANGO, *files]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
