"""How long a failed renewal may stay unpaid: since when it is late, and whether anything was ever paid.

Both are the provider's times. An event that comes late does not give more time.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.transactions import payments_database


def note_lateness(subscription: Subscription, snapshot: SubscriptionSnapshot, said_at: datetime | None) -> None:
    """Note since when a locked subscription is past due, and that it was paid before, if the provider was asked.

    Args:
        said_at: when the provider said so; ``None`` for an answer.
    """
    _take_first_payment(subscription, snapshot.first_paid_at)
    if subscription.status == SubscriptionStatus.PAST_DUE:
        now, since = timezone.now(), snapshot.past_due_since
        if since is not None and since <= now:
            subscription.past_due_since = since
        elif subscription.past_due_since is None:
            # A clock that is ahead of ours gives nobody more time.
            subscription.past_due_since = min(said_at or since or _latest(snapshot) or now, now)
    elif subscription.status != SubscriptionStatus.UNPAID:
        subscription.past_due_since = None


def note_payment(subscription: Subscription, snapshot: InvoiceSnapshot) -> None:
    """Note that an invoice of a subscription, whose row need not be locked, was paid with money or a credit."""
    if not snapshot.is_paid_with_something:
        return
    paid_at = snapshot.paid_at or snapshot.created or timezone.now()
    if not _take_first_payment(subscription, paid_at):
        return
    rows = Subscription.objects.using(payments_database()).filter(pk=subscription.pk)
    rows.filter(Q(first_paid_at__isnull=True) | Q(first_paid_at__gt=paid_at)).update(first_paid_at=paid_at)


def is_in_doubt(subscription: Subscription, snapshot: SubscriptionSnapshot, was: object = None) -> bool:
    """Return whether only the provider's invoices can tell since when one is past due, or if it was ever paid.

    What says that it became so just now fits a row that is not past due; anything else says that an event was lost.

    Args:
        was: the status before the change that an event tells of, ``None`` if that changed something else.
    """
    if snapshot.status != SubscriptionStatus.PAST_DUE:
        return False
    is_known_as_late = subscription.status == SubscriptionStatus.PAST_DUE
    became_late = was is not None and was != SubscriptionStatus.PAST_DUE
    return subscription.first_paid_at is None or became_late is is_known_as_late


def _latest(snapshot: SubscriptionSnapshot) -> datetime | None:
    invoice = snapshot.latest_invoice
    return invoice.late_since if invoice is not None and invoice.status == InvoiceStatus.OPEN else None


def _take_first_payment(subscription: Subscription, paid_at: datetime | None) -> bool:
    if paid_at is None or (subscription.first_paid_at is not None and subscription.first_paid_at <= paid_at):
        return False
    subscription.first_paid_at = paid_at
    return True
