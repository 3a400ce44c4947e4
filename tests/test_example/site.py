"""A copy of the example project, and the processes that run in it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "example_project"
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.sqlite3*", ".demo", ".env*", "static_root")
# What a developer's or a CI's environment may hold and the example project would read.
READ_BY_THE_EXAMPLE = """
    ALLOWED_HOSTS DATABASE_URL DJANGO_CONFIGURATION DJANGO_SETTINGS_MODULE LOCALSTRIPE_URL PAYMENT_HOST PAYMENT_USES_SSL
    PORT SECRET_KEY SECURE_SSL_REDIRECT SHOP_SELLS_ORDERS_ONLY STRIPE_API_BASE STRIPE_API_KEY STRIPE_API_VERSION
    STRIPE_WEBHOOK_SECRET USE_LOCALSTRIPE WEBHOOK_WORKERS WORKERS
""".split()
CHECKOUT = {
    "USE_LOCALSTRIPE": "False",
    "STRIPE_API_KEY": "sk_test_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
}
PUBLIC = CHECKOUT | {
    "DJANGO_CONFIGURATION": "Production",
    "STRIPE_API_KEY": "sk_live_" + "x" * 24,
    "SECRET_KEY": "N7vZ2qLx8Rk4Tg9Wd3Hs6Yb1Mc5Pf0Ja-Ue_QoXiVnCtKzElGrBwSy",
    "ALLOWED_HOSTS": "shop.example.com",
    "PAYMENT_HOST": "shop.example.com",
}
READ_SETTINGS = """
import json, sys
from config.environment import prepare_environment
prepare_environment()
from configurations import importer
importer.install()
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with only ``variables`` of those that the example project reads."""
    kept = {name: value for name, value in os.environ.items() if name not in READ_BY_THE_EXAMPLE}
    return kept | {"PYTHONUNBUFFERED": "1"} | variables


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether somebody listens on ``port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


class Site:
    """A copy of the example project in a directory of its own, which no developer's .env files or database reach."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.example = folder / "example_project"
        shutil.copytree(EXAMPLE, self.example, ignore=NOT_COPIED)

    @property
    def database(self) -> Path:
        """The SQLite file that is used by default."""
        return self.example / "db.sqlite3"

    def manage(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py to its end."""
        return self.run(str(self.example / "manage.py"), *arguments, cwd=cwd, **variables)

    def run(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python to its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment(**variables),
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def settings(self, *names: str, **variables: str) -> dict[str, Any]:
        """Return the values of settings, as a process would see them."""
        done = self.run("-c", READ_SETTINGS, *names, cwd=self.example, **variables)
        assert done.returncode == 0, done.stderr
        values: dict[str, Any] = json.loads(done.stdout)
        return values

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read from the SQLite database, past the site."""
        connection = sqlite3.connect(self.database, timeout=20)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def processes(self) -> list[str]:
        """Return the command lines of processes that run files of this copy, or were given its paths."""
        return [arguments for _pid, arguments in self._running()]

    def process_ids(self, word: str) -> list[int]:
        """Return the ids of those processes whose command line holds ``word``."""
        return [pid for pid, arguments in self._running() if word in arguments]

    def _running(self) -> list[tuple[int, str]]:
        listing = subprocess.run(["ps", "-Aww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True)
        lines = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
        return [
            (int(pid), arguments[0])
            for pid, state, *arguments in lines
            if arguments and str(self.root) in arguments[0] and not state.startswith("Z")
        ]


class Process:
    """A process of a site that runs beside the test, and is ended with it."""

    def __init__(self, site: Site, *arguments: str, cwd: Path | None = None, **variables: str) -> None:
        self.lines: list[str] = []
        self.popen = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(**variables),
            cwd=cwd or site.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        self.lines.extend(iter(self.popen.stdout.readline, ""))

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return "".join(self.lines)

    def wait_for_output(self, text: str, seconds: float = 60) -> str:
        """Wait until it has printed ``text``; fail at once if it ends without."""

        def printed() -> str:
            ended = self.popen.poll() is not None
            if ended:
                self.reader.join(10)
            assert text in self.output or not ended, f"It ended with code {self.popen.returncode}:\n{self.output}"
            return self.output if text in self.output else ""

        return wait_until(printed, seconds, what=f"{text!r} in:\n{self.output}")

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end and return its exit code."""
        code = self.popen.wait(seconds)
        self.reader.join(10)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.reader.join(10)
        assert self.popen.stdout is not None
        self.popen.stdout.close()


class Demo(Process):
    """The demo.

    Args:
        port: the site's, by default one that is free; ``None`` leaves it to the environment.
        stripe_port: localstripe's, by default one that is free.
    """

    def __init__(
        self,
        site: Site,
        *arguments: str,
        port: int | None = 0,
        stripe_port: int = 0,
        cwd: Path | None = None,
        **variables: str,
    ) -> None:
        self.site = site
        self.port = port or free_port()
        self.stripe_port = stripe_port or free_port()
        ports = ["--stripe-port", str(self.stripe_port)]
        if port is not None:
            ports += ["--port", str(self.port)]
        super().__init__(site, str(site.example / "demo.py"), *ports, *arguments, cwd=cwd, **variables)

    @property
    def url(self) -> str:
        """Where the site is."""
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> Self:
        """Wait until it says how to use it."""
        self.wait_for_output("Stop with Ctrl-C")
        return self
