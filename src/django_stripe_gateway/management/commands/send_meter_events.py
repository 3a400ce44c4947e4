"""Report to the provider's meters what was used."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.choices import MeterEventState
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.management.output import GatewayCommand, table
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events
from django_stripe_gateway.services.usage.meters.send import due_meter_events, send_due_meter_events


class Command(GatewayCommand):
    """Run it from cron every hour or more often; several at once share the work."""

    help = "Gather what was used of metered metrics, and send it to Stripe's Billing Meters, each unit exactly once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--enqueue``."""
        parser.add_argument(
            "--enqueue", action="store_true", help="let workers of Django Tasks send the events, one task for each"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Gather, send, and print what became of the events; fails if some were refused or have become unclear."""
        self.stdout.write(f"gathered  {gather_meter_events()}")
        if options["enqueue"]:
            # Neither Django 6 nor the backport has to be there for anything else.
            from django_stripe_gateway.services.usage.meters.tasks import enqueue_meter_event  # noqa: PLC0415

            due = due_meter_events()
            for event_pk in due:
                enqueue_meter_event(event_pk)
            self.stdout.write(f"enqueued  {len(due)}")
            return
        states: Counter[str] = Counter()
        try:
            for event in send_due_meter_events():
                states[event.state] += 1
        except GatewayConfigurationError as error:
            raise CommandError(error.detail) from error
        self.stdout.write("\n".join(table(MeterEventState.values, states)))
        if states[MeterEventState.REFUSED] or states[MeterEventState.UNCLEAR]:
            raise CommandError("Some events were not counted. The admin shows why.")
