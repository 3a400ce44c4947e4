"""Use the built wheel as a stranger would: an empty environment, a minimal host project, its first commands.

The host project's settings and urls are those that README.md shows, so that what it says is known to work.

python scripts/smoke_wheel.py DIST_FOLDER
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "django_stripe_gateway"
SOURCE = ROOT / "src" / PACKAGE
# What is made from sources, and is missed by comparing with the source folder where nobody has made it.
COMPILED = {f"{PACKAGE}/locale/de/LC_MESSAGES/django.mo"}
NOT_SHIPPED = {"__pycache__"}

PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENVIRONMENT_READ = re.compile(r"""environ(?:\[|\.get\()["'](\w+)""")
MOUNTED_AT = re.compile(r"""path\(["']([^"']*)["'],\s*include\(["']django_stripe_gateway\.urls""")

SETTINGS_IF_UNDOCUMENTED = f"""
INSTALLED_APPS = [..., "rest_framework", "{PACKAGE}"]
PAYMENT_HOST = "shop.example.com"
STRIPE_GATEWAY_API_KEY = "sk_test_smoke"
STRIPE_GATEWAY_WEBHOOK_SECRET = "whsec_smoke"
"""
URLS_IF_UNDOCUMENTED = f"""
from django.urls import include, path
urlpatterns = [..., path("api/v1/", include("{PACKAGE}.urls"))]
"""
# `...` stands for what the host project has already.
SETTINGS = """
import os
_apps = INSTALLED_APPS
{block}
INSTALLED_APPS = [*_apps, *(app for app in INSTALLED_APPS if app is not ... and app not in _apps)]
"""
URLS = """
{block}
urlpatterns = [pattern for pattern in urlpatterns if pattern is not ...]
"""
FIRST_USE = """
import pathlib, sys
import django
django.setup()
from django.test import Client
from django.utils import translation
import django_stripe_gateway as package
from django_stripe_gateway.models import Payment
folder = pathlib.Path(package.__file__).parent
assert folder.is_relative_to(sys.prefix), folder
assert Payment.objects.count() == 0
with translation.override("de"):
    assert translation.gettext("Payment received") == "Zahlung eingegangen"
answer = Client().get("/{prefix}payments/", headers={{"host": "localhost"}})
assert answer.status_code in (401, 403), answer.status_code
print(f"smoke: {{package.__name__}} {{package.__version__}} works with Django {{django.__version__}}")
"""


def documented(word: str, otherwise: str) -> str:
    """Return the first Python block of README.md that sets a word, or what stands in for it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in PYTHON_BLOCK.findall(readme):
        if re.search(rf"^{word} \+?=", block, re.MULTILINE):
            return str(block)
    print(f"smoke: README.md sets no {word} yet")
    return otherwise


def only(paths: Iterable[Path], what: str) -> Path:
    """Return the one path there is."""
    found = list(paths)
    if len(found) != 1:
        raise SystemExit(f"smoke: expected one {what}, found {[path.name for path in found]}")
    return found[0]


def shipped_files() -> set[str]:
    """Return the package's files as they should lie in an archive."""
    paths = (path for path in SOURCE.rglob("*") if path.is_file() and not NOT_SHIPPED & set(path.parts))
    return {path.relative_to(SOURCE.parent).as_posix() for path in paths}


def check_contents(wheel: Path, sdist: Path) -> None:
    """Compare both archives with the source folder, so that a template or a migration can't be forgotten."""
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    expected = shipped_files()
    problems = [f"not in the wheel: {name}" for name in sorted(expected - in_wheel)]
    problems += [f"not in the sdist: {name}" for name in sorted(expected - {n.removeprefix("src/") for n in in_sdist})]
    problems += [
        f"should not be in the wheel: {name}"
        for name in sorted(in_wheel - expected)
        if not name.partition("/")[0].endswith(".dist-info")
    ]
    problems += [f"not in the wheel: {name}" for name in sorted(COMPILED - in_wheel)]
    problems += [
        f"not in the sdist: {name}" for name in ("README.md", "CHANGELOG.md", "LICENSE") if name not in in_sdist
    ]
    if problems:
        raise SystemExit("smoke: " + "\nsmoke: ".join(problems))
    print(f"smoke: wheel and sdist hold all {len(expected)} files of the package")


def use(wheel: Path, folder: Path) -> None:
    """Install the wheel alone, make a host project around it, and use it."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["DJANGO_SETTINGS_MODULE"] = "host.settings"
    settings = documented("INSTALLED_APPS", SETTINGS_IF_UNDOCUMENTED)
    urls = documented("urlpatterns", URLS_IF_UNDOCUMENTED)
    for name in ENVIRONMENT_READ.findall(settings):
        environment[name] = "whsec_smoke" if "WEBHOOK" in name else "sk_test_smoke"
    mounted = MOUNTED_AT.search(urls)
    if mounted is None:
        raise SystemExit(f"smoke: README.md's urlpatterns include no {PACKAGE}.urls")
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"

    def run(*command: str) -> None:
        print(f"smoke: {' '.join(command)[:100].splitlines()[0]}", flush=True)
        subprocess.run([str(python), *command], cwd=folder, env=environment, check=True)

    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    run("-m", "pip", "--disable-pip-version-check", "-qq", "install", str(wheel))
    run("-m", "django", "startproject", "host", ".")
    with (folder / "host" / "settings.py").open("a") as host_settings:
        host_settings.write(SETTINGS.format(block=settings))
    (folder / "host" / "urls.py").write_text(URLS.format(block=urls))
    run("manage.py", "check", "--fail-level", "WARNING")
    run("manage.py", "migrate", "--verbosity", "0")
    run("manage.py", "makemigrations", "--check", "--dry-run", PACKAGE)
    run("-c", FIRST_USE.format(prefix=mounted[1]))


def main(arguments: list[str]) -> None:
    """Check the archives in a folder, then use the wheel."""
    dist = Path(arguments[0]).resolve()
    wheel, sdist = only(dist.glob("*.whl"), "wheel"), only(dist.glob("*.tar.gz"), "sdist")
    check_contents(wheel, sdist)
    with tempfile.TemporaryDirectory() as folder:
        use(wheel, Path(folder).resolve())


if __name__ == "__main__":
    main(sys.argv[1:])
