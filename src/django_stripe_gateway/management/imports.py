"""What the commands share that import what exists already."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.account_reading import AccountReader
from django_stripe_gateway.management.options import moment
from django_stripe_gateway.management.output import GatewayCommand, Progress, as_table, sentence_of
from django_stripe_gateway.services.imports.account import KINDS, import_account
from django_stripe_gateway.services.imports.owners import Matching
from django_stripe_gateway.services.imports.results import NOTABLE, Imported, Outcome

DEFAULT_DAYS = 365
AGAIN = "Run the command again: it goes on, and brings nothing twice."


class ImportCommand(GatewayCommand):
    """Prints what has become of each object that needs a look, and a summary."""

    def add_common(self, parser: ArgumentParser) -> None:
        """Add what every import takes."""
        parser.add_argument("--variant", default="", help="payment variant of the account")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be brought, with -v 2 of each, and write nothing"
        )

    def add_account(self, parser: ArgumentParser) -> None:
        """Add what decides which objects of an account are brought, and to whom."""
        parser.add_argument(
            "--since", type=moment, metavar="DATE", help="bring all but customers and subscriptions from here on"
        )
        parser.add_argument("--days", type=int, metavar="N", help=f"of so many days instead (default: {DEFAULT_DAYS})")
        parser.add_argument("--only", default="", metavar="KINDS", help=f"some of {','.join(KINDS)} (default: all)")
        parser.add_argument("--map", default="", metavar="FILE", help="a CSV file of customers' ids and owners' keys")

    def bring_account(self, reader: AccountReader, variant: str, matching: Matching, options: dict[str, Any]) -> None:
        """Bring what a reader finds of an account, and print what has become of it; see ``report``."""
        kinds, since, dry_run = chosen_kinds(options), chosen_time(options), options["dry_run"]
        results = import_account(reader, variant, since=since, kinds=kinds, matching=matching, dry_run=dry_run)
        self.report(results, options, kinds)

    def report(self, results: Iterable[Imported], options: dict[str, Any], kinds: Iterable[str] = KINDS) -> None:
        """Print each result that needs a look, and a summary.

        Raises:
            CommandError: something could not be brought.
        """
        counts: Counter[tuple[str, str]] = Counter()
        progress, failure = Progress(self.stderr, "looked at"), ""
        try:
            for result in results:
                counts[result.kind, result.outcome] += 1
                if result.outcome in NOTABLE or options["verbosity"] > 1:
                    line = f"{result.kind}: {result.object_id}: {result.outcome} {result.detail}"
                    self.stdout.write(line.rstrip())
                progress.add()
        except GatewayError as error:
            failure = f"{sentence_of(error)} {AGAIN}"
        progress.end()
        rows = [(kind, *(counts[kind, outcome] for outcome in Outcome)) for kind in kinds]
        self.stdout.write(as_table(("", *(str(outcome) for outcome in Outcome)), rows))
        if options["dry_run"]:
            self.stdout.write("Nothing was written (--dry-run).")
        failed = sum(count for (_kind, outcome), count in counts.items() if outcome == Outcome.FAILED)
        if failure:
            raise CommandError(failure)
        if failed:
            raise CommandError(f"{failed} could not be brought; the lines above say why. {AGAIN}")


def chosen_time(options: dict[str, Any]) -> datetime:
    """Return the moment from which on invoices and payments are brought.

    Raises:
        CommandError: two were named, or one that does not lie behind us.
    """
    since: datetime | None = options["since"]
    days: int | None = options["days"]
    if since is not None and days is not None:
        raise CommandError("Choose one of --since and --days.")
    if days is not None and days < 1:
        raise CommandError("--days takes a number of days, 1 or more.")
    found = since or timezone.now() - timedelta(days=days or DEFAULT_DAYS)
    if timezone.is_naive(found):
        found = timezone.make_aware(found, timezone.get_default_timezone())
    if since is not None and since > timezone.now():
        raise CommandError("--since lies in the future.")
    return found


def chosen_kinds(options: dict[str, Any]) -> list[str]:
    """Return what is brought, in its order.

    Raises:
        CommandError: one of them is not known.
    """
    asked = [name.strip() for name in options["only"].split(",") if name.strip()]
    if unknown := sorted(set(asked) - set(KINDS)):
        raise CommandError(f"--only knows no {', '.join(unknown)}. It takes some of {','.join(KINDS)}.")
    return [kind for kind in KINDS if not asked or kind in asked]


def chosen_matching(options: dict[str, Any]) -> Matching:
    """Return what says whose a customer is.

    Raises:
        CommandError: the file cannot be read.
    """
    return Matching(
        decided=read_decisions(options["map"]) if options["map"] else {},
        metadata=options["owner_metadata"],
        by_email=not options["no_email"],
    )


def read_decisions(path: str) -> dict[str, str]:
    """Return customers' ids with owners' keys from a CSV file without a header.

    Raises:
        CommandError: the file cannot be read, or decides about a customer twice.
    """
    decided: dict[str, str] = {}
    try:
        lines = list(csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from None
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            raise CommandError(f"{path}, line {number}: write a customer's id and an owner's key, such as cus_123,42.")
        customer_id, owner = cells
        if decided.setdefault(customer_id, owner) != owner:
            raise CommandError(f"{path}, line {number}: {customer_id} has another owner above.")
    return decided
