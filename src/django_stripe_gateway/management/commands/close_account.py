"""End all that an owner is charged for, and close all that they could still pay."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.leaving import add_whom, whom
from django_stripe_gateway.management.output import GatewayCommand, table
from django_stripe_gateway.services.leaving.close import close_account, open_ends

OUTCOMES = (
    "settled",
    "ended",
    "ends with its period",
    "abandoned",
    "cancelled",
    "for staff",
    "out of reach",
    "at the provider",
    "in progress",
    "silent",
    "refused",
)


class Command(GatewayCommand):
    """Run it again after a failure: it goes on where it was stopped, and does nothing twice."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add whom, ``--at-period-end`` and ``--dry-run``."""
        add_whom(parser)
        parser.add_argument(
            "--at-period-end", action="store_true", help="let what is paid for run until its period ends"
        )
        parser.add_argument("--dry-run", action="store_true", help="list what runs, and end nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Close the account, and print what was done and what remains; fails if that may be charged for."""
        account = whom(options)
        if options["dry_run"]:
            found = open_ends(**account)
            for line in found:
                self.stdout.write(line)
            self.stdout.write(f"{len(found)} would be ended.")
            return
        report = close_account(**account, at_period_end=options["at_period_end"])
        for step in report.steps:
            self.stdout.write(f"{step.subject}: {step.outcome} {step.detail}".rstrip())
        outcomes = Counter(step.outcome for step in report.steps)
        self.stdout.write("\n".join(table(OUTCOMES, outcomes)))
        if outcomes["in progress"] or outcomes["silent"] or outcomes["refused"]:
            raise CommandError("Not all of it could be ended. The lines above say why; run the command again.")
        if outcomes["out of reach"]:
            raise CommandError(
                "Some of it is of another account or mode, or its provider does not know it, and may be charged on. "
                "Check the key first; end it where it is, and give up on it in the admin."
            )
