"""Handle stored webhook events again."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.options import moment
from django_stripe_gateway.management.output import GatewayCommand, Progress, table
from django_stripe_gateway.models.webhook_events import WebhookEventQuerySet
from django_stripe_gateway.webhooks.inbox.process import oldest_first
from django_stripe_gateway.webhooks.inbox.replay import replay_event
from django_stripe_gateway.webhooks.inbox.run import stored_events

BUSY = "in progress"


def stored_moment(text: str) -> datetime:
    """Return the time as this site's databases hold times."""
    found = moment(text)
    return found if settings.USE_TZ else timezone.make_naive(found)


class Command(GatewayCommand):
    """Handlers are safe to run twice: replaying what was handled changes nothing."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what selects events, and ``--dry-run``."""
        parser.add_argument("event_ids", nargs="*", metavar="EVENT", help="the provider's ids, evt_…")
        parser.add_argument("--type", action="append", default=[], help="an event type, or charge.dispute.*")
        parser.add_argument("--state", action="append", default=[], choices=WebhookState.values, help="a state")
        parser.add_argument("--since", type=stored_moment, metavar="TIME", help="received at this time or later")
        parser.add_argument("--until", type=stored_moment, metavar="TIME", help="received before this time")
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
        self.stdout.write("\n".join(table([*WebhookState.values, BUSY], states)))
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
    for name, lookup in (("state", "state__in"), ("since", "received__gte"), ("until", "received__lt")):
        if options[name]:
            events = events.filter(**{lookup: options[name]})
    if options["type"]:
        events = events.of_types(options["type"])
    return events
