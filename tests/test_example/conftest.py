"""The example project's fixtures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_stripe.fixtures import assert_no_violations
from tests.fake_stripe.server import FakeStripe
from tests.test_example.paying import Shop
from tests.test_example.site import CHECKOUT, Demo, Process, Site, free_port, listens
from tests.waiting import wait_until

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


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Run the site with nothing but environment variables, as somebody with test keys would."""
    site = Site(tmp_path_factory.mktemp("checkout"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with FakeStripe() as fake:
        fake.accept_any_key()
        fake.deliver_to(f"{url}/api/v1/webhooks/stripe/", "whsec_x")
        variables = CHECKOUT | {
            "STRIPE_API_BASE": fake.url,
            "STRIPE_WEBHOOK_SECRET": "whsec_new,whsec_x",
            "DATABASE_URL": f"sqlite:///{site.root / 'elsewhere.sqlite3'}",
            "PAYMENT_HOST": f"127.0.0.1:{port}",
        }
        for command in (["migrate", "-v0"], ["seed_demo", "--plans"]):
            done = site.manage(*command, **variables)
            assert done.returncode == 0, done.stderr
        manage = str(site.example / "manage.py")
        with Process(site, manage, "runserver", "--noreload", f"127.0.0.1:{port}", **variables):
            wait_until(lambda: listens(port), what="the site")
            yield Shop(url, fake)
        assert not site.database.exists()
        assert_no_violations(fake)
