"""Check that a release's tag, the package's version and the changelog name the same version.

python scripts/check_release.py v1.2.3
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Compare the three and say what to change."""
    tag = arguments[0]
    source = (ROOT / "src" / "django_stripe_gateway" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    version = found[1] if found else ""
    if tag != f"v{version}":
        print(f"check_release: the tag is {tag}, but __version__ is {version!r}: set it, or tag v{version}")
        return 1
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## \[?{re.escape(version)}\b", changelog, re.MULTILINE):
        print(f"check_release: CHANGELOG.md has no heading for {version}")
        return 1
    print(f"check_release: {version} everywhere")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
