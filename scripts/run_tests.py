"""Run the test suite through tox on everything this machine has.

With REQUIRE_SERVICES=1 a service that is not there is a failure.

    python scripts/run_tests.py                      the environments that suit this machine
    python scripts/run_tests.py tests/test_x.py -x   the same, with arguments for pytest
    python scripts/run_tests.py -e lint,docs         other environments of tox.ini, by name
    python scripts/run_tests.py -e … --coverage      the same, with the coverage of all of them together
    python scripts/run_tests.py --jobs 1             one after the other, with what they print as it comes
    python scripts/run_tests.py -e … --start-within 3000   leave out, and say so, what has not begun by then
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from services import Service, find_services

ROOT = Path(__file__).resolve().parent.parent
TOX = [sys.executable, "-m", "tox"]
PYTEST_SUMMARY = re.compile(r"=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")
PYTEST_PROGRESS = re.compile(r"\[ *(\d+%)\]\s*$")
HEARTBEAT_SECONDS = 20
COUNTED = ("passed", "failed", "errors", "skipped", "xfailed", "xpassed")


@dataclass
class Result:
    """How one step ended."""

    name: str
    code: int
    seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    is_left_out: bool = False

    @property
    def outcome(self) -> str:
        """Return what the table shows in its last column."""
        if self.is_left_out:
            return "LEFT OUT: the time is over"
        counts = ", ".join(f"{self.counts[word]} {word}" for word in COUNTED if self.counts[word])
        return f"{'ok' if self.code == 0 else f'FAILED ({self.code})'}{f': {counts}' if counts else ''}"


def say(sentence: str) -> None:
    """Print a sentence of the runner's own, apart from what tox and pytest print."""
    print(f"\n## {sentence}", flush=True)


def environments(services: Sequence[Service]) -> list[str]:
    """Return the tox environments to run: this Python, its newest Django, and every database there is."""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    django = "django61" if sys.version_info >= (3, 12) else "django52"
    # Both together are what is not slow; the longest comes first, so that nothing waits for it alone.
    names = [f"{python}-{django}-sqlite-stripe16-{part}" for part in ("main", "rest")]
    usable = {service.name for service in services if service.usable}
    for service, factor in (("PostgreSQL", "postgres"), ("MariaDB", "mariadb")):
        if service in usable:
            names.append(f"{python}-{django}-{factor}-stripe16-core")
    return names


class Progress:
    """Say from time to time how far the steps are whose output is held back."""

    def __init__(self) -> None:
        self.running: dict[str, str] = {}
        self.lock = threading.Lock()
        self.stopped = threading.Event()

    def __enter__(self) -> Progress:
        threading.Thread(target=self.beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()

    def beat(self) -> None:
        """Print one line at every beat."""
        while not self.stopped.wait(HEARTBEAT_SECONDS):
            with self.lock:
                state = ", ".join(f"{name} {done}" for name, done in self.running.items())
                if state:
                    print(f"  ... {state}", flush=True)


def run(name: str, command: Sequence[str], environment: Mapping[str, str], held_by: Progress | None = None) -> Result:
    """Run one step and count what pytest says at its end.

    What it prints is passed on as it comes, or in one piece at its end when a ``Progress`` holds it back.
    """
    started = time.monotonic()
    counts: Counter[str] = Counter()
    held: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if held_by is None:
                print(line, end="", flush=True)
            else:
                held.append(line)
                if progress := PYTEST_PROGRESS.search(line):
                    held_by.running[name] = progress[1]
            if summary := PYTEST_SUMMARY.search(line):
                counts += count(summary[1])
    result = Result(name, process.returncode, time.monotonic() - started, counts)
    if held_by is not None:
        with held_by.lock:
            held_by.running.pop(name, None)
            say(f"{name}: {result.outcome}")
            print("".join(held), end="", flush=True)
    return result


def count(summary: str) -> Counter[str]:
    """Read pytest's closing line."""
    words = (part.split() for part in summary.split(", "))
    return Counter({"errors" if word == "error" else word: int(number) for number, word in words})


def run_all(
    names: Sequence[str],
    environment: Mapping[str, str],
    pytest_arguments: Sequence[str],
    jobs: int,
    start_within: float | None = None,
) -> list[Result]:
    """Make the environments, then use them, so many of them at once; none begins after ``start_within`` seconds."""
    began = time.monotonic()
    say(f"Making {len(names)} environments: {', '.join(names)}")
    options = ["--skip-missing-interpreters", "false"]
    parallel = ["--parallel", str(jobs), "--parallel-no-spinner", "--notest"]
    made = run("set-up", [*TOX, "run-parallel", *options, *parallel, "-e", ",".join(names)], environment)

    # Two environments on one server would both make the same test database.
    servers = {factor: threading.Lock() for factor in ("postgres", "mariadb")}

    def use(number: int, name: str, held_by: Progress | None) -> Result:
        if start_within is not None and time.monotonic() - began > start_within:
            return Result(name, 0, 0.0, is_left_out=True)
        # Without arguments no "--" either: it would replace what tox.ini runs by nothing.
        arguments = ["--", *pytest_arguments] if pytest_arguments else []
        command = [*TOX, "run", *options, "--skip-pkg-install", "-e", name, *arguments]
        if held_by is None:
            say(f"Environment {number + 1} of {len(names)}: {name}")
        else:
            held_by.running[name] = "started"
        with servers.get(server_of(name), nullcontext()):
            return run(name, command, with_own_redis(environment, number), held_by)

    if jobs == 1:
        return [made, *(use(number, name, None) for number, name in enumerate(names))]
    say(f"Testing, {jobs} environments at once; what each prints follows at its end")
    with Progress() as progress, ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(use, number, name, progress) for number, name in enumerate(names)]
        return [made, *(future.result() for future in waiting)]


def server_of(name: str) -> str:
    """Return the database factor of an environment's name, as in ``py311-django52-postgres-stripe16``."""
    factors = name.split("-")
    return factors[2] if len(factors) > 2 else ""


def with_own_redis(environment: Mapping[str, str], offset: int) -> dict[str, str]:
    """Return the variables with a Redis database that no other environment at work has."""
    own = dict(environment)
    if url := own.get("TEST_REDIS_URL"):
        server, slash, database = url.rpartition("/")
        if slash and database.isdigit():
            own["TEST_REDIS_URL"] = f"{server}/{abs(int(database) - offset)}"
    return own


def print_summary(results: Sequence[Result], missing: Sequence[Service]) -> None:
    """Print the table, what was left out, and the closing line."""
    width = max(len(result.name) for result in results)
    say("Summary")
    for result in results:
        print(f"  {result.name:<{width}}  {result.seconds:7.1f} s  {result.outcome}")
    for service in missing:
        print(f"  {service}")
    total = sum((result.counts for result in results), Counter())
    failed = total["failed"] + total["errors"]
    if total:
        print(f"\n{total['passed']} passed, {failed} failed, {total['skipped']} skipped", flush=True)


def combine_coverage(environment: Mapping[str, str]) -> Result:
    """Report what all environments measured together."""
    say("Coverage of all environments together")
    return run("coverage", [*TOX, "run", "-e", "coverage"], environment)


def remove_old_measurements() -> None:
    """Remove what earlier runs measured: their line numbers may be wrong by now."""
    for path in ROOT.glob(".coverage*"):
        if path.is_file():
            path.unlink()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what this script doesn't know is for pytest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-e", dest="names", default="", help="environments of tox.ini, separated by commas")
    parser.add_argument("--coverage", action="store_true", help="measure coverage, and report it at the end")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 2), help="environments at once")
    parser.add_argument("--start-within", type=float, help="seconds after which no further environment begins")
    options, rest = parser.parse_known_args(arguments)
    options.pytest = [argument for argument in rest if argument != "--"]
    return options


def main(arguments: Sequence[str]) -> int:
    """Run what can be run and return 0 only when all of it passed."""
    options = parse(arguments)
    say("What the tests can use on this machine")
    services = find_services()
    for service in services:
        print(f"  {service}", flush=True)
    missing = [service for service in services if not service.usable]
    if missing and os.environ.get("REQUIRE_SERVICES") == "1":
        names = ", ".join(service.name for service in missing)
        print(f"REQUIRE_SERVICES=1, but missing: {names}", file=sys.stderr)
        return 1
    environment = dict(os.environ)
    for service in services:
        environment.update(service.environment)
    environment["MEASURE"] = "coverage run -m" if options.coverage else "python -m"
    if options.coverage:
        remove_old_measurements()
    names = options.names.split(",") if options.names else environments(services)
    results = run_all(names, environment, options.pytest, options.jobs, options.start_within)
    if options.coverage and not results[0].code:
        results.append(combine_coverage(environment))
    print_summary(results, missing)
    return 1 if any(result.code for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
