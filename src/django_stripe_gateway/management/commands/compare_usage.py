"""Compare what was sent to the provider's meters with what they have counted."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.management.output import GatewayCommand
from django_stripe_gateway.services.usage.meters.compare import compare_usage


class Command(GatewayCommand):
    """Run it once a day."""

    help = "Compare the use that was sent with the summaries of Stripe's Billing Meters."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--days``."""
        parser.add_argument(
            "--days", type=int, default=1, help="how many days to compare, up to the last full hour (default: 1)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every difference; fails if there is one."""
        if options["days"] < 1:
            raise CommandError("--days takes 1 or more.")
        until = timezone.now().replace(minute=0, second=0, microsecond=0)
        seen = different = 0
        try:
            for row in compare_usage(until - timedelta(days=options["days"]), until):
                seen += 1
                if not row.agrees:
                    different += 1
                    counted = "no such meter" if row.counted is None else f"{row.counted} counted"
                    self.stdout.write(
                        f"{row.customer_id} {row.event_name}: {row.sent} sent, {row.open} not confirmed, {counted}"
                    )
        except GatewayError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{seen} compared, {different} different")
        if different:
            raise CommandError("Stripe has not counted what was sent.")
