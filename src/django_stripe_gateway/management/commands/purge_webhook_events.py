"""Delete webhook events that are old and settled, and e-mails that were sent as long ago."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count
from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, Progress, table
from django_stripe_gateway.models.webhook_events import SETTLED
from django_stripe_gateway.services.mails.send import purge_mails, purgeable_mails
from django_stripe_gateway.webhooks.inbox.purge import purge_events, purgeable_events

LEAST_DAYS = 31


class Command(GatewayCommand):
    """Run it from cron every night; what still waits to be handled is never deleted."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--days``, ``--include-dead``, ``--batch-size`` and ``--dry-run``."""
        parser.add_argument(
            "--days", type=int, help="keep what was received so many days ago (STRIPE_GATEWAY_WEBHOOK_RETENTION_DAYS)"
        )
        parser.add_argument("--include-dead", action="store_true", help="delete dead events, too")
        parser.add_argument(
            "--batch-size", type=int, default=1000, metavar="ROWS", help="rows in a transaction (default: 1000)"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete batch after batch, and print how many of each state."""
        days = gateway_settings.webhook_retention_days if options["days"] is None else options["days"]
        if days < LEAST_DAYS:
            raise CommandError(
                f"Keep events for at least {LEAST_DAYS} days: providers repeat them for days, and one that was deleted "
                "would be handled a second time."
            )
        if options["batch_size"] < 1:
            raise CommandError("--batch-size takes a number of rows, 1 or more.")
        states = [*SETTLED, WebhookState.DEAD] if options["include_dead"] else list(SETTLED)
        before = timezone.now() - timedelta(days=days)
        deleted: Counter[str] = Counter()
        if options["dry_run"]:
            counts = purgeable_events(before, states).order_by().values_list("state").annotate(Count("pk"))
            deleted.update(dict(counts))
        else:
            progress = Progress(self.stdout, "deleted")
            for batch in purge_events(before, states, options["batch_size"]):
                deleted.update(batch)
                progress.add(sum(batch.values()))
            progress.end()
        self.stdout.write("\n".join(table(states, deleted)))
        self._purge_mails(before, options)
        word = "would be deleted" if options["dry_run"] else "deleted"
        self.stdout.write(f"{deleted.total()} {word}, received before {before:%Y-%m-%d %H:%M}.")

    def _purge_mails(self, before: datetime, options: dict[str, Any]) -> None:
        """Delete the e-mails that were sent, or not needed, as long ago."""
        if options["dry_run"]:
            count = purgeable_mails(before).count()
        else:
            count = sum(purge_mails(before, options["batch_size"]))
        if count:
            self.stdout.write(f"{count} e-mails {'would be deleted' if options['dry_run'] else 'deleted'}.")
