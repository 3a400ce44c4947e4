"""One process that the demo starts: its output goes to a file, what matters of it to the terminal."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib import error, request

SUPERVISED = Path(__file__).with_name("supervised.py")
SECONDS_TO_START = 60
SECONDS_TO_STOP = 5
# The loopback address is never behind a proxy, whatever the environment says about others.
DIRECT = request.build_opener(request.ProxyHandler({}))


class DemoError(Exception):
    """The demo cannot go on; the message is the sentence to show."""


def show_all(line: str) -> str:
    """Show a line as it is."""
    return line


class Child:
    """A running process.

    Args:
        name: what the terminal calls it.
        arguments: a script with its arguments, or "-m" with a module and its.
        log: the file that all of its output goes to.
        shown: returns what the terminal shows of a line, or nothing.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        shown: Callable[[str], str] = show_all,
    ) -> None:
        self.name = name
        self.log = log
        self.shown = shown
        self.is_audible = False
        self.tail: deque[str] = deque(maxlen=20)
        self.process = subprocess.Popen(
            [sys.executable, str(SUPERVISED), *arguments],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # The terminal's Ctrl-C is for the demo, which stops its children itself and in order.
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 (it is a pipe)
        with self.log.open("w", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                self.tail.append(line)
                if self.is_audible and (text := self.shown(line.rstrip())):
                    print(f"  {self.name:<12} {text}", flush=True)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def wait_until_ready(self, url: str) -> None:
        """Wait until ``url`` is answered, with whatever status.

        Raises:
            DemoError: the process ended instead, or took too long.
        """
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            if not self.is_running:
                raise self.failure()
            if answers(url):
                return
            time.sleep(0.05)
        raise DemoError(f"{self.name} did not answer within {SECONDS_TO_START} seconds; its output is in {self.log}.")

    def failure(self) -> DemoError:
        """Return the error that says how the process ended."""
        self.reader.join(SECONDS_TO_STOP)
        last = "".join(self.tail).strip() or "It printed nothing."
        return DemoError(f"{self.name} has ended with code {self.process.returncode}. Its last lines:\n{last}")

    def stop(self) -> None:
        """End the process, by force if it does not want to."""
        if self.is_running:
            self.process.terminate()
            try:
                self.process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(SECONDS_TO_STOP)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def answers(url: str) -> bool:
    """Return whether a server answers at ``url``."""
    try:
        with DIRECT.open(url, timeout=5):
            return True
    except error.HTTPError as answer:
        answer.close()
        return True
    except (error.URLError, OSError):
        return False
