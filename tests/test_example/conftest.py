"""The example project's fixtures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_example.site import Demo, Site, free_port

# The example project has a database of its own: running it again beside the suite on PostgreSQL proves nothing new.
if not (os.environ.get("TEST_DATABASE_URL") or "sqlite:").startswith("sqlite:"):
    collect_ignore_glob = ["test_*.py"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a copy of the example project."""
    return Site(tmp_path)


@pytest.fixture(scope="module")
def running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo once for the tests of a module, which each pay for something of their own.

    Nothing that its surroundings hold may matter: real keys in an .env file, a proxy that the machine reaches the
    world through, another working directory, a port in the environment.
    """
    site = Site(tmp_path_factory.mktemp("demo"))
    (site.root / ".env").write_text(
        "DJANGO_CONFIGURATION=Production\nUSE_LOCALSTRIPE=False\nSTRIPE_API_KEY=sk_live_real\n"
        "STRIPE_API_BASE=http://127.0.0.1:9\nSTRIPE_WEBHOOK_SECRET=whsec_real\nALLOWED_HOSTS=shop.example.com\n"
    )
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    proxy = "http://127.0.0.1:9"
    variables = {"http_proxy": proxy, "HTTP_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": ""}
    port = free_port()
    with Demo(site, port=None, cwd=elsewhere, PORT=str(port), **variables) as demo:
        demo.port = port
        yield demo.wait_until_ready()
    assert list(elsewhere.iterdir()) == []


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a browser, or skip the test and say why."""
    path = os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None or shutil.which(path) is None:
        reason = f"no browser: set TEST_CHROMIUM, or put one of {', '.join(BROWSERS)} on PATH"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
