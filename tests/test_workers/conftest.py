"""Processes that share the test's database."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
REDIS_URL = "redis://127.0.0.1:6379/15"
WORKERS = {
    "db": ["-m", "django", "db_worker", "--interval", "0.1", "--no-startup-delay", "--no-reload"],
    "rq": ["-m", "django", "rqworker", "default", "--job-class", "django_tasks_rq.Job"],
    "celery": [
        *("-m", "celery", "-A", "tests.test_workers.celery_app", "worker", "--concurrency", "1", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ],
}
SWEEPER = ["-m", "django", "process_webhooks", "--forever", "--interval", "0.2"]


class Crew:
    """The processes of one test, and the folder through which the test holds their handlers."""

    def __init__(self, folder: Path, queue: str, redis_url: str) -> None:
        self.folder = folder
        self.queue = queue
        self.processes: list[subprocess.Popen[Any]] = []
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.test_workers.settings",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "WORKER_DATABASE": str(connection.settings_dict["NAME"]),
            "WORKER_FOLDER": str(folder),
            "WORKER_QUEUE": queue,
            "WORKER_REDIS_URL": redis_url,
        }

    def deliver(self, events: list[Any]) -> list[str]:
        """Deliver events in a process of their own, and return the states that were answered."""
        path = self.folder / "events.json"
        path.write_text(json.dumps(events))
        done = subprocess.run(
            [sys.executable, "-m", "tests.test_workers.deliver", str(path)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        states: list[str] = json.loads(done.stdout.splitlines()[-1])
        return states

    def start(self, arguments: list[str]) -> subprocess.Popen[Any]:
        """Start a process, whose output goes to a file."""
        log = (self.folder / f"{len(self.processes)}.log").open("w")
        with log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_workers(self, count: int) -> None:
        """Start workers of the test's queue."""
        for _number in range(count):
            self.start(WORKERS[self.queue])

    def hold(self) -> None:
        """Let handlers wait before their transactions are committed."""
        (self.folder / "hold").touch()

    def release(self) -> None:
        """Let handlers go on."""
        (self.folder / "hold").unlink()

    def held(self) -> set[int]:
        """Return the ids of the processes whose handlers wait."""
        return {int(path.name.partition("-")[2]) for path in self.folder.glob("held-*")}

    def kill_all(self) -> None:
        """Kill every process and their children, as when the machine has lost its power."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for pid in self.held():
            # RQ's and Celery's handlers run in children.
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait(10)

    def logs(self) -> str:
        """Return what the processes have printed."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def wait_for(self, what: str, predicate: Callable[[], Any], seconds: float = 60) -> Any:
        """Return the first true value of ``predicate``."""
        try:
            return wait_until(predicate, seconds, what=what)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def end(self) -> None:
        """Ask every process to end, and kill those that do not."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Return the address of an empty Redis database, or skip the test and say why."""
    import redis

    url = os.environ.get("TEST_REDIS_URL") or REDIS_URL
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 2).close()
    except OSError:
        reason = f"no Redis at {parts.hostname}:{parts.port}"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def crew(request: pytest.FixtureRequest, tmp_path: Path, transactional_db: None) -> Iterator[Crew]:
    """Return the crew of the queue that the test is run with."""
    queue = getattr(request, "param", "db")
    crew = Crew(tmp_path, queue, "" if queue == "db" else request.getfixturevalue("redis_url"))
    try:
        yield crew
    finally:
        (tmp_path / "hold").unlink(missing_ok=True)
        crew.end()
