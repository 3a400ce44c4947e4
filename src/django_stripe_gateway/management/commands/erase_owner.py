"""Erase the personal data of an owner, here and at the provider, and keep what bookkeeping must keep."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.leaving import add_whom, whom
from django_stripe_gateway.management.output import GatewayCommand, sentence_of, table
from django_stripe_gateway.services.leaving.erase import erase_owner


class Command(GatewayCommand):
    """Run close_account first; run it again, it erases what has come since."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add whom and ``--dry-run``."""
        add_whom(parser)
        parser.add_argument("--dry-run", action="store_true", help="count, and erase nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase, and print what was erased, and what was kept and why."""
        try:
            report = erase_owner(**whom(options), dry_run=options["dry_run"])
        except GatewayError as error:
            raise CommandError(sentence_of(error)) from error
        for name, reason in report.kept.items():
            self.stdout.write(f"kept: {name}: {reason}")
        for line in report.remaining:
            self.stdout.write(f"left: {line}")
        self.stdout.write("\n".join(table(report.erased, report.erased)))
        word = "would be erased" if options["dry_run"] else "erased"
        self.stdout.write(f"{sum(report.erased.values())} rows {word}.")
