"""Install the package beside the newest release of all that it needs, whatever upper bounds `pyproject.toml` sets.

What fails with them is what the next major release of a dependency will break for those who install the package.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UPPER_BOUND = re.compile(r",?\s*<=?\s*[\w.*]+")


def without_upper_bound(requirement: str) -> str:
    """Return a requirement as it is without its upper bound: `django>=5.2` for `django>=5.2,<6.2`."""
    return UPPER_BOUND.sub("", requirement)


def main() -> None:
    """Install into the environment that runs this script."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, "--upgrade", *map(without_upper_bound, project["dependencies"])], check=True)
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(ROOT)], check=True)


if __name__ == "__main__":
    main()
