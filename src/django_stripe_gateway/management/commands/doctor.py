"""Say what in this database is of another account, what is stuck, why, and what to do about it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, Progress, as_table
from django_stripe_gateway.services.doctor.examine import examine
from django_stripe_gateway.services.doctor.findings import HEADER, Finding


class Command(GatewayCommand):
    """Run it at any time: it changes nothing, and remembers at most whose a key is."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--offline``."""
        parser.add_argument("--offline", action="store_true", help="ask no provider whose the keys are")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one table; exit with 1 if somebody has to do something."""
        progress, found = Progress(self.stderr, "Diagnoses:"), list[Finding]()
        for findings in examine(offline=options["offline"]):
            progress.add()
            found += findings
        progress.end()
        problems = [finding for finding in found if finding.is_problem]
        if found:
            rows = [finding.cells() for finding in sorted(found, key=lambda finding: not finding.is_problem)]
            self.stdout.write(as_table(HEADER, rows))
        if not problems:
            self.stdout.write("All is well.")
            return
        self.stdout.write(f"{len(problems)} of these need somebody.")
        sys.exit(1)
