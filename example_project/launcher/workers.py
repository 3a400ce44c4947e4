"""The demo's workers: they handle the webhooks that the site has only stored."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from launcher.children import Child

MOST = 16
WORKER = ("db_worker", "--interval", "0.2", "--no-startup-delay", "--no-reload")
SWEEPER = ("process_webhooks", "--forever", "--interval", "5")
UNUSUAL = ("WARNING", "ERROR", "CRITICAL", "Traceback")


def worker_count(value: str) -> int:
    """Return a number of workers, for argparse."""
    if value.isdecimal() and int(value) <= MOST:
        return int(value)
    raise argparse.ArgumentTypeError(f"{value!r} is no number of workers; use one from 0 to {MOST}")


def start_workers(count: int, manage: Path, *, environment: Mapping[str, str], state: Path) -> Iterator[Child]:
    """Start so many workers, and the sweeper that handles what they leave behind."""
    commands = {f"worker-{number}": WORKER for number in range(1, count + 1)} | {"sweeper": SWEEPER}
    for name, arguments in commands.items():
        yield Child(
            name,
            [str(manage), *arguments],
            environment=environment,
            folder=manage.parent,
            log=state / f"{name}.log",
            shown=worker_line,
        )


def worker_line(line: str) -> str:
    """Return what the terminal shows of a line: what is unusual."""
    return line if line.startswith(UNUSUAL) else ""
