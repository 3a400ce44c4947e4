"""Ask Stripe for the events that never arrived, and take them in as if they had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import UnsupportedByGateway, WebhookRejected
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount, stripe_account, stripe_accounts
from django_stripe_gateway.gateways.stripe.events import RETENTION_DAYS, EventQuery, SentEvent, StripeEvents
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.models.webhook_events import UNPROCESSED
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import parse_event, place_event
from django_stripe_gateway.webhooks.inbox.receive import receive_event
from django_stripe_gateway.webhooks.inbox.run import uses_workers
from django_stripe_gateway.webhooks.stripe.event_types import stripe_event_types
from django_stripe_gateway.webhooks.stripe.variants import event_variant

RETENTION = timedelta(days=RETENTION_DAYS)
# Events of one moment can arrive in any order, and Stripe lists them with some delay.
OVERLAP = timedelta(hours=1)
# Among so many rows that were stored last the newest event is.
RECENT = 100
# What is kept in place of a request's headers.
HEADERS = {"User-Agent": "sync_webhook_events"}


@dataclass(frozen=True, slots=True)
class Missed:
    """One event that Stripe has and the inbox has not, or has as failed; ``error`` is why it could not be handled."""

    id: str
    type: str
    outcome: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a query has found: its newest page, and the ids that each older page begins after."""

    query: EventQuery
    newest: Sequence[SentEvent]
    older: Sequence[str]

    def pages(self, stripe: StripeEvents) -> Iterator[Sequence[SentEvent]]:
        """Yield the pages, oldest first, each of them newest first.

        A page below a given event stays what it is, so the older ones are asked for again instead of being kept. The
        newest would have moved on.
        """
        for after in reversed(self.older):
            yield stripe.page(self.query, after).events
        yield self.newest


@dataclass(slots=True)
class CatchingUp:
    """The events of one account that Stripe lists and the inbox may lack.

    ``counts`` has "found", and as far as ``run`` has come "new", "already stored" and "failed".
    """

    account: StripeAccount
    queries: Sequence[EventQuery]
    since: datetime
    counts: Counter[str] = field(default_factory=Counter)
    listed: list[Listed] = field(default_factory=list)

    def look(self) -> None:
        """List the events once, to know how many there are and where each page begins.

        Stripe lists the newest first; they are handled oldest first, so that a run that is killed leaves no gap behind.
        """
        stripe = StripeEvents(self.account)
        for query in self.queries:
            newest = page = stripe.page(query)
            self.counts["found"] += len(page.events)
            older = []
            while page.last_id:
                older.append(page.last_id)
                page = stripe.page(query, page.last_id)
                self.counts["found"] += len(page.events)
            self.listed.append(Listed(query, newest.events, older))

    def run(self, *, dry_run: bool = False) -> Iterator[Missed]:
        """Handle what is missing, oldest first, and yield what became of each; ``dry_run`` only yields it."""
        variant = event_variant(self.account)
        for listed in self.listed:
            for events in listed.pages(StripeEvents(self.account)):
                settled = _settled(variant, events)
                for event in reversed(events):
                    if event.id in settled:
                        self.counts["already stored"] += 1
                    else:
                        yield self._take(variant, event, dry_run=dry_run)

    def _take(self, variant: str, sent: SentEvent, *, dry_run: bool) -> Missed:
        if dry_run:
            self.counts["new"] += 1
            return Missed(sent.id, sent.type, "missing")
        try:
            event = place_event(parse_event(sent.body, provider="stripe", variant=variant))
            row = receive_event(event, sent.body, HEADERS)
        except WebhookRejected as error:
            return self._failed(sent, error.detail)
        except Exception as error:
            # Stored as failed, and logged, by the inbox.
            return self._failed(sent, type(error).__name__)
        self.counts["new"] += 1
        return Missed(sent.id, sent.type, str(row.state))

    def _failed(self, sent: SentEvent, error: str) -> Missed:
        self.counts["failed"] += 1
        return Missed(sent.id, sent.type, "failed", error)


def accounts_to_ask(variant: str = "") -> Iterator[StripeAccount]:
    """Yield the account of ``variant``, or each account of the settings once, without localstripe's.

    Raises:
        UnsupportedByGateway: ``variant`` is on localstripe, whose events end with it, or a seller's.
    """
    if variant:
        account = stripe_account(variant)
        if account.is_localstripe:
            raise UnsupportedByGateway(
                f"The variant {variant!r} is on localstripe, which delivers its events once and only while it runs."
            )
        if account.connected_id:
            raise UnsupportedByGateway(
                "The events of sellers' accounts are not listed. What waits there, manage.py reconcile asks about."
            )
        yield account
        return
    for account in stripe_accounts():
        if event_variant(account) == account.variant and not account.is_localstripe:
            yield account


def catching_up(
    *, account: StripeAccount, since: datetime | None = None, types: tuple[str, ...] = (), now: datetime | None = None
) -> CatchingUp:
    """Return what to ask of an account; nothing is asked yet.

    Args:
        since: the oldest moment (aware). By default that of the newest stored event, less an hour; and beyond it, as
            far back as Stripe keeps events, those that Stripe could not deliver: while a site catches up after an
            outage, new events arrive already, and the newest one hides the gap.
        types: names of event types; by default every handled one.
    """
    now = now or datetime.now(UTC)
    oldest = now - RETENTION
    start = max(since or default_since(account) or oldest, oldest)
    types = types or tuple(stripe_event_types(event_variant(account)))
    queries = [EventQuery(_seconds(start), types=types)]
    if since is None and start > oldest:
        queries.insert(0, EventQuery(_seconds(oldest), before=_seconds(start), types=types, undelivered=True))
    return CatchingUp(account, queries, start)


def default_since(account: StripeAccount) -> datetime | None:
    """Return the moment of the newest stored event of an account, less the overlap."""
    rows = WebhookEvent.objects.using(payments_database())
    recent = rows.filter(provider="stripe", variant=event_variant(account), occurred__isnull=False).order_by("-id")
    moments = [moment for moment in recent.values_list("occurred", flat=True)[:RECENT] if moment is not None]
    if not moments:
        return None
    newest = max(moments)
    if timezone.is_naive(newest):
        newest = timezone.make_aware(newest, timezone.get_default_timezone())
    return newest - OVERLAP


def _settled(variant: str, events: Sequence[SentEvent]) -> set[str]:
    """Return the ids of those events that need nothing more."""
    rows = WebhookEvent.objects.using(payments_database())
    known = rows.filter(provider="stripe", variant=variant, event_id__in=[event.id for event in events])
    # What workers have received is on its way to them.
    unfinished = (WebhookState.FAILED,) if uses_workers() else UNPROCESSED
    return set(known.exclude(state__in=unfinished).values_list("event_id", flat=True))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
