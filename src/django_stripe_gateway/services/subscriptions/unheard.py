"""To what something may have happened at any time, of which the event was lost: a customer pays late, or resumes.

No moment says when to ask, so it is asked again after a while: more seldom what has been so for long, for some of it
stays so for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.models.provider_accounts import of_current_accounts
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS

DAY = timedelta(days=1)
# Within which what is late is paid or given up, as a rule.
MONTH = timedelta(days=30)
# Paid at any time, or resumed.
WAITING = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED)


def unheard(older_than: timedelta) -> Q:
    """Return the condition for subscriptions of which something must be heard, though nobody knows when.

    Args:
        older_than: for how long nothing was heard of it; a day at least where it has been late for a month, or where
            nobody is shut out meanwhile.
    """
    now = timezone.now()
    soon, later = now - older_than, min(now - older_than, now - DAY)
    # Called active by its latest invoice, while an earlier one of its period is open.
    owes = Q(status=SubscriptionStatus.ACTIVE, past_due_since__isnull=False)
    is_late = Q(status__in=WAITING, past_due_since__gt=now - MONTH) | owes | Q(has_pending_update=True)
    # A moment has passed at which the provider does something by itself.
    is_over = Q(cancel_at__lt=soon) | Q(pause_resumes_at__lt=soon)
    # A scheduled price that nobody here knew may be a plan's by now.
    waits = Q(status__in=WAITING) | Q(scheduled_change_at__isnull=False, scheduled_pricing=None)
    is_due = ((is_late | is_over) & _is_silent_since(soon)) | (waits & _is_silent_since(later))
    running = is_due & Q(lost=None) & ~Q(status__in=ENDED_SUBSCRIPTIONS)
    # Of the account that is configured (again), or asked about with a wrong key: the provider may know it, and charge.
    left = Coalesce("given_up", "lost")
    is_unasked = Q(fetched_at=None) | Q(fetched_at__lt=left)
    is_unasked |= Q(GreaterThan(left, now - MONTH)) & _is_silent_since(later)
    is_unasked |= _is_silent_since(min(later, now - MONTH))
    is_left = Q(given_up__isnull=False) | Q(lost__isnull=False) & ~Q(status__in=ENDED_SUBSCRIPTIONS)
    return (running | is_left & of_current_accounts() & is_unasked) & Q(provider_id__isnull=False)


def unheard_invoices(older_than: timedelta) -> QuerySet[Invoice]:
    """Return the invoices that wait to be final, or to be paid, and of which nothing was heard for a day.

    Args:
        older_than: for longer than that; for a month where they have waited for a month.
    """
    now = timezone.now()
    day, month = min(now - older_than, now - DAY), min(now - older_than, now - MONTH)
    rows = Invoice.objects.using(payments_database()).filter(status__in=(InvoiceStatus.DRAFT, InvoiceStatus.OPEN))
    return rows.filter(Q(issued__gt=month) & _is_silent_since(day) | _is_silent_since(month)).order_by("pk")


def note_silence(row: Invoice | Subscription) -> None:
    """Note that the provider was asked about a row, and has no answer."""
    type(row)._default_manager.using(payments_database()).filter(pk=row.pk).update(fetched_at=timezone.now())


def _is_silent_since(moment: datetime) -> Q:
    """Return the condition for rows that neither an event nor a look has told of since."""
    return (Q(provider_time=None) | Q(provider_time__lt=moment)) & (Q(fetched_at=None) | Q(fetched_at__lt=moment))
