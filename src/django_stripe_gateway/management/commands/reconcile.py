"""Settle operations whose process died, and ask the provider about payments that wait too long."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import timedelta
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_stripe_gateway.services.reconciling import reconcile_operations, reconcile_payments

NOTABLE = {"settled", "refused", "silent", "changed"}


class Command(BaseCommand):
    """Run it from cron every few minutes; running it twice at once is harmless."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--older-than``."""
        parser.add_argument(
            "--older-than",
            type=int,
            default=60,
            metavar="MINUTES",
            help="ask the provider about payments that have waited this long (default: 60)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Settle, ask, and print a summary; fails if the provider stayed silent."""
        if options["older_than"] < 0:
            raise CommandError("--older-than takes minutes, 0 or more.")
        outcomes: Counter[str] = Counter()
        waiting = reconcile_payments(timedelta(minutes=options["older_than"]))
        for result in chain(reconcile_operations(), waiting):
            outcomes[result.outcome] += 1
            if result.outcome in NOTABLE or options["verbosity"] > 1:
                self.stdout.write(f"{result.subject}: {result.outcome} {result.detail}".rstrip())
        for outcome in ("settled", "refused", "changed", "unchanged", "silent"):
            self.stdout.write(f"{outcome:>10}  {outcomes[outcome]}")
        if outcomes["silent"]:
            raise CommandError("The provider did not answer for some of them. Run the command again.")
