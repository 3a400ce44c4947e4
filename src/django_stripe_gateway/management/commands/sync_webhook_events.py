"""Ask Stripe for events that never arrived, and handle them."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.stripe.events import RETENTION_DAYS
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.options import moment
from django_stripe_gateway.management.output import GatewayCommand, as_table
from django_stripe_gateway.webhooks.stripe.catch_up import RETENTION, CatchingUp, accounts_to_ask, catching_up

COLUMNS = ("found", "new", "already stored", "failed")


class Command(GatewayCommand):
    """Run it after an outage, or from cron; killed or run twice, it handles each event once."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--since",
            type=moment,
            metavar="DATE",
            help="ask for events from here on, such as 2026-11-20 or 2026-11-20T14:30+01:00 (default: where the newest "
            "stored event stands, and before it those that Stripe could not deliver)",
        )
        parser.add_argument(
            "--types", nargs="+", default=[], metavar="TYPE", help="only these event types (default: the handled ones)"
        )
        parser.add_argument(
            "--variant", default="", help="only this payment variant's account (default: every account)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what is missing, and store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask each account, and print a summary; fails if an event did, or an account could not be asked."""
        since, now = options["since"], datetime.now(UTC)
        if since is not None and since > now:
            raise CommandError("--since lies in the future.")
        if since is not None and since < now - RETENTION:
            self.stderr.write(f"Stripe keeps events for {RETENTION_DAYS} days; older ones cannot be asked for.")
        try:
            accounts = list(accounts_to_ask(options["variant"]))
        except GatewayError as error:
            raise CommandError(error.detail) from None
        if not accounts:
            raise CommandError("PAYMENT_VARIANTS has no Stripe variant beside those on localstripe.")
        problems: list[str] = []
        rows: list[tuple[object, ...]] = []
        for account in accounts:
            work = catching_up(account=account, since=since, types=tuple(options["types"]), now=now)
            self.stdout.write(f"{account.variant}: events since {work.since.isoformat(timespec='seconds')}")
            try:
                work.look()
                self._run(work, options)
            except GatewayError as error:
                problems.append(
                    f"{account.variant}: {error.detail} Run the command again: it goes on where it stopped."
                )
            if work.counts["failed"]:
                problems.append(
                    f"{account.variant}: {work.counts['failed']} could not be handled. They are kept as failed where "
                    "they could be stored; correct the cause, which the log shows, and run the command again."
                )
            rows.append((account.variant, *(work.counts[column] for column in COLUMNS)))
        self.stdout.write(as_table(("account", *COLUMNS), rows))
        if options["dry_run"]:
            self.stdout.write("Nothing was stored (--dry-run).")
        if problems:
            raise CommandError("\n".join(problems))

    def _run(self, work: CatchingUp, options: dict[str, Any]) -> None:
        is_terminal = self.stderr.isatty()
        for missed in work.run(dry_run=options["dry_run"]):
            if missed.error or options["dry_run"] or options["verbosity"] > 1:
                self.stdout.write(f"{missed.type} {missed.id}: {missed.outcome} {missed.error}".rstrip())
            if is_terminal:
                done = sum(work.counts[column] for column in COLUMNS[1:])
                self.stderr.write(f"\r{done} of {work.counts['found']} ", ending="")
                self.stderr.flush()
        if is_terminal:
            self.stderr.write("\r", ending="")
