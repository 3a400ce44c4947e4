"""Compare what a webhook that confirms a payment costs: this package, a bare view, and dj-stripe.

    python -m benchmarks.webhooks [--postgres postgres://postgres@127.0.0.1:5432/postgres] [--rounds 9] [--events 100]

Each subject runs in a process of its own, with a database of its own, its connection kept open. The rounds alternate,
so that the ratios mean something on a busy machine. dj-stripe gets a virtual environment under ``.bench/``, because it
pins an older SDK, and a fake Stripe on the loopback that answers at once; ``--without-djstripe`` leaves it out.
"""

from __future__ import annotations

import argparse
import http.server
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.webhook_subjects.timing import intent

SUBJECTS = Path(__file__).parent / "webhook_subjects"
BENCH = Path(__file__).parent.parent / ".bench"
DJSTRIPE = ("dj-stripe==2.11.*", "psycopg[binary]")
FEW, MANY = 100, 100_000
WARM_UP = 20


class FakeStripe(http.server.BaseHTTPRequestHandler):
    """Answers what dj-stripe asks for."""

    protocol_version = "HTTP/1.1"
    # Header and body go out in two writes; the second must not wait for the other side's delayed acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Return an intent, or the account."""
        name = urlsplit(self.path).path.rpartition("/")[2]
        if name.startswith("pi_"):
            answer = intent(int(name[3:]), "token")
        else:
            answer = {"id": "acct_benchmark", "object": "account", "charges_enabled": True, "settings": {}}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


class Subject:
    """One process."""

    def __init__(self, name: str, python: str, script: str, database: dict[str, Any], *arguments: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.medians: list[float] = []
        command = [python, str(SUBJECTS / script), json.dumps(database), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def order(self, **values: int) -> Any:
        """Let it do something and return what it says."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(values) + "\n")
        self.process.stdin.flush()
        return json.loads(self._answer())

    def round(self, events: int) -> None:
        """Deliver events."""
        seconds = self.order(deliver=events)
        self.seconds += seconds
        self.medians.append(statistics.median(seconds))

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} has ended; its error stands above.")
        return line


class Databases:
    """Databases for the subjects, taken away again at the end."""

    def __init__(self, stack: ExitStack, postgres: str) -> None:
        self.stack = stack
        self.postgres = urlsplit(postgres) if postgres else None
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

    def make(self, name: str) -> dict[str, Any]:
        """Return the ``DATABASES`` entry of a new, empty database."""
        if self.postgres is None:
            options = {"transaction_mode": "IMMEDIATE", "timeout": 20}
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.folder / name), "OPTIONS": options}
        self._sql(f'DROP DATABASE IF EXISTS "{name}"')
        self._sql(f'CREATE DATABASE "{name}"')
        self.stack.callback(self._sql, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": self.postgres.hostname,
            "PORT": str(self.postgres.port or 5432),
            "USER": self.postgres.username,
            "PASSWORD": self.postgres.password or "",
            "CONN_MAX_AGE": None,
        }

    def _sql(self, statement: str) -> None:
        import psycopg  # noqa: PLC0415

        assert self.postgres is not None
        with psycopg.connect(self.postgres.geturl(), autocommit=True) as connection:
            connection.execute(statement.encode())


def djstripe_python() -> str:
    """Return the interpreter of a virtual environment with dj-stripe, made at the first call."""
    folder = BENCH / "djstripe"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / "made").exists():
        print("Making the virtual environment for dj-stripe …", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *DJSTRIPE], check=True)
        (folder / "made").touch()
    return str(python)


def start(database_name: str, databases: Databases, stack: ExitStack, *, with_djstripe: bool) -> list[Subject]:
    """Start the subjects of one kind of database; the first is what the others are compared with."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeStripe)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    stack.callback(server.shutdown)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    subjects = [Subject("bare view", sys.executable, "bare.py", databases.make("bench_bare"))]
    for stored in (FEW, MANY):
        name = f"this package, {stored:,} events stored"
        subject = Subject(name, sys.executable, "gateway.py", databases.make(f"bench_gateway_{stored}"))
        subject.order(fill=stored)
        subjects.append(subject)
    if with_djstripe:
        arguments = ("djstripe.py", databases.make("bench_djstripe"), address)
        subjects.append(Subject("dj-stripe 2.11", djstripe_python(), *arguments))
    for subject in subjects:
        stack.callback(subject.stop)
        subject.order(deliver=WARM_UP)
    print(f"{database_name}: {len(subjects)} subjects are ready", file=sys.stderr)
    return subjects


def table(database_name: str, subjects: list[Subject]) -> list[str]:
    """Return the rows of one kind of database: times, and the ratios of the rounds' medians to the bare view's."""
    bare = subjects[0]
    found = []
    for subject in subjects:
        ratios = [own / other for own, other in zip(subject.medians, bare.medians, strict=True)]
        times = (min(subject.seconds), statistics.median(subject.seconds), max(subject.seconds))
        cells = [f"{seconds * 1000:.2f}" for seconds in times]
        cells += [f"{ratio:.2f}" for ratio in (min(ratios), statistics.median(ratios), max(ratios))]
        found.append(f"| {database_name} | {subject.name} | {' | '.join(cells)} |")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="", help="a PostgreSQL whose user may create databases")
    parser.add_argument("--rounds", type=int, default=9, help="of each subject")
    parser.add_argument("--events", type=int, default=100, help="in each round")
    parser.add_argument("--without-djstripe", action="store_true")
    options = parser.parse_args()
    print(f"{options.rounds} rounds of {options.events} events; a ratio is that of one round's medians\n")
    print("| database | subject | ms: min | median | max | ratio: min | median | max |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for database_name, address in (("SQLite", ""), ("PostgreSQL", options.postgres)):
        if database_name == "PostgreSQL" and not address:
            print("PostgreSQL was left out: give --postgres.", file=sys.stderr)
            continue
        with ExitStack() as stack:
            databases = Databases(stack, address)
            subjects = start(database_name, databases, stack, with_djstripe=not options.without_djstripe)
            for number in range(options.rounds):
                # Nobody is always the first.
                for subject in subjects[number % len(subjects) :] + subjects[: number % len(subjects)]:
                    subject.round(options.events)
            print("\n".join(table(database_name, subjects)), flush=True)


if __name__ == "__main__":
    main()
