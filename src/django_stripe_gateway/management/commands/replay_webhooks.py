"""Handle stored webhook events again."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.management.progress import Progress, table
from django_stripe_gateway.models.webhook_events import WebhookEventQuerySet
from django_stripe_gateway.webhooks.inbox.process import oldest_first
from django_stripe_gateway.webhooks.inbox.replay import replay_event
from django_stripe_gateway.webhooks.inbox.run import stored_events

BUSY = "in progress"


def moment(text: str) -> datetime:
    """Return the time that a date or a date with time stands for, in this site's time zone unless it names one."""
    try:
        found = parse_datetime(text)
        day = None if found else parse_date(text)
    except ValueError:
        found = day = None
    if found is None and day is not None:
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time; write 2026-11-23 or 2026-11-23T10:30")
    if settings.USE_TZ:
        return timezone.make_aware(found) if timezone.is_naive(found) else found
    return timezone.make_naive(found) if timezone.is_aware(found) else found


class Command(BaseCommand):
    """Handlers are safe to run twice: replaying what was handled changes nothing."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what selects events, and ``--dry-run``."""
        parser.add_argument("event_ids", nargs="*", metavar="EVENT", help="the provider's ids, evt_…")
        parser.add_argument("--type", action="append", default=[], help="an event type, or charge.dispute.*")
        parser.add_argument("--state", action="append", default=[], choices=WebhookState.values, help="a state")
        parser.add_argument("--since", type=moment, metavar="TIME", help="received at this time or later")
        parser.add_argument("--until", type=moment, metavar="TIME", help="received before this time")
        parser.add_argument("--all", action="store_true", help="every stored event, without anything that selects")
        parser.add_argument("--dry-run", action="store_true", help="count, and handle nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Handle the selected events, the oldest first, and print what became of them; fails if some failed."""
        events = select(options)
        # Only what orders them: there may be many, with large bodies.
        rows = sorted(events.values_list("pk", "occurred", "received", "state"), key=lambda row: oldest_first(*row[:3]))
        states: Counter[str] = Counter()
        if options["dry_run"]:
            states.update(state for *_rest, state in rows)
        else:
            progress = Progress(self.stdout, f"of {len(rows)} replayed:")
            for pk, *_rest in rows:
                row = replay_event(pk)
                states[BUSY if row is None else row.state] += 1
                progress.add()
            progress.end()
        for line in table([*WebhookState.values, BUSY], states):
            self.stdout.write(line)
        self.stdout.write(f"{len(rows)} {'would be replayed' if options['dry_run'] else 'replayed'}.")
        if not options["dry_run"] and states[WebhookState.FAILED] + states[WebhookState.DEAD]:
            raise CommandError("Some of them failed; the log says why, and the sweeper tries them again.")


def select(options: dict[str, Any]) -> WebhookEventQuerySet:
    """Return the events that the options name; those of one option add up, and all options must be met.

    Raises:
        CommandError: nothing selects, or an id is unknown.
    """
    names = ("event_ids", "type", "state", "since", "until")
    if not any(options[name] for name in names) and not options["all"]:
        raise CommandError("Say which events: by id, --type, --state, --since or --until, or --all.")
    events = stored_events().order_by()
    if options["event_ids"]:
        events = events.filter(event_id__in=options["event_ids"])
        unknown = set(options["event_ids"]) - set(events.values_list("event_id", flat=True))
        if unknown:
            raise CommandError(f"There is no event {', '.join(sorted(unknown))}.")
    if options["state"]:
        events = events.filter(state__in=options["state"])
    if options["since"]:
        events = events.filter(received__gte=options["since"])
    if options["until"]:
        events = events.filter(received__lt=options["until"])
    if options["type"]:
        events = events.of_types(options["type"])
    return events
