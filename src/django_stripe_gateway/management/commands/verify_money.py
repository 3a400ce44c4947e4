"""Verify that the money of every payment adds up."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, Progress, as_table, table
from django_stripe_gateway.models import get_payment_model
from django_stripe_gateway.services.payments.verify import verify_payments
from django_stripe_gateway.services.payments.verify_rules import RULES, Violation

HEADER = ("what", "rule", "what is wrong", "what to do")


class Command(GatewayCommand):
    """Run it once a day, and after every restore of a backup: it changes nothing."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--after`` and ``--ask``."""
        parser.add_argument("--after", metavar="KEY", help="leave out the payments up to this key")
        parser.add_argument(
            "--ask",
            type=int,
            default=0,
            metavar="COUNT",
            help="compare so many of the payments with what their provider says (default: none)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every violation and a summary; exit with 1 if there is one."""
        if options["ask"] < 0:
            raise CommandError("--ask takes a number, 0 or more.")
        after = self._key(options["after"])
        progress, found, counts = Progress(self.stderr, "Payments:"), list[Violation](), Counter[str]()
        last_asked: Any = None
        for checked in verify_payments(after=after, ask=options["ask"]):
            progress.add()
            counts["payments"] += 1
            counts["to be decided"] += checked.waits
            found += checked.violations
            if checked.is_asked:
                last_asked = checked.payment_pk
                counts["not answered" if checked.silence else "asked about"] += 1
                if checked.silence:
                    self.stdout.write(f"payment {checked.payment_pk}: not answered {checked.silence}")
        progress.end()
        counts.update(violation.rule for violation in found)
        if found:
            rows = [(one.subject, one.rule, one.detail, one.remedy) for one in found]
            self.stdout.write(as_table(HEADER, rows))
        self.stdout.write("\n".join(table(["payments", *RULES, "provider", "to be decided"], counts)))
        if options["ask"]:
            self.stdout.write(f"{counts['asked about']} compared, {counts['not answered']} not answered.")
            if last_asked is not None:
                self.stdout.write(f"Go on with --after {last_asked}.")
        if found:
            self.stdout.write(f"{len(found)} of these need somebody.")
        if found or counts["not answered"]:
            sys.exit(1)
        self.stdout.write("All money adds up.")

    def _key(self, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return get_payment_model()._meta.pk.to_python(text)
        except ValidationError as error:
            raise CommandError(f"--after takes the key of a payment: {' '.join(error.messages)}") from error
