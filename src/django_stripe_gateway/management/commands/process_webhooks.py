"""Handle the stored webhook events that are due."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.management.output import GatewayCommand, Progress, table
from django_stripe_gateway.webhooks.inbox.run import stored_events
from django_stripe_gateway.webhooks.inbox.sweep import process_due_events

logger = logging.getLogger(__name__)


class Command(GatewayCommand):
    """Run it from cron every minute, or beside the site with --forever; several at once share the work."""

    help = (
        "Handle the stored webhook events that are due: failed ones again, those whose worker died, and those whose "
        "object has appeared since."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stopped = threading.Event()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--forever`` and ``--interval``."""
        parser.add_argument("--forever", action="store_true", help="go on until SIGTERM or Ctrl-C")
        parser.add_argument(
            "--interval",
            type=float,
            default=10.0,
            metavar="SECONDS",
            help="time between two sweeps of --forever (default: 10)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, log how the inbox stands, and print what became of the events."""
        if not 0 < options["interval"] <= threading.TIMEOUT_MAX:
            raise CommandError("--interval takes seconds, more than 0.")
        if options["forever"]:
            self._sweep_until_stopped(options["interval"])
        else:
            self._sweep()

    def _sweep_until_stopped(self, interval: float) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_args: self.stopped.set())
        while not self.stopped.is_set():
            close_old_connections()
            try:
                self._sweep()
            except (DatabaseError, InterfaceError) as error:
                # It may be restarting; what was being handled is undone, and due again when its lease ends.
                logger.error("The sweep has ended early: %s.", type(error).__name__)
                connections.close_all()
            self.stopped.wait(interval)

    def _sweep(self) -> None:
        states: Counter[str] = Counter()
        progress = Progress(self.stdout, "handled")
        for row in process_due_events():
            states[row.state] += 1
            progress.add()
            if self.stopped.is_set():
                break
        progress.end()
        if states:
            self.stdout.write("\n".join(table(WebhookState.values, states)))
        stats = stored_events().stats()
        level = logging.WARNING if stats.dead else logging.INFO
        logger.log(
            level,
            "Webhook inbox: %d received, %d failed, %d dead, %d unmatched; the oldest waits for %d s.",
            stats.received,
            stats.failed,
            stats.dead,
            stats.unmatched,
            stats.oldest_age,
        )
