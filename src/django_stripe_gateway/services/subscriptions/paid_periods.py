"""How far a subscription is paid: what one whose collection is paused is worth.

Stripe lets the periods of a pause go by as ``active``, and makes their invoices void, uncollectible or drafts. So once
a subscription has been paused, its status does not say any more that it is paid; its invoices do, until the period that
runs is paid. What they say is kept as the latest period that was paid, whatever order they come in.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.gateways.billing_values import InvoiceLine, InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.transactions import payments_database

# In what Stripe lets periods go by without collecting.
PAUSED_WHILE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)

Period = tuple[datetime, datetime]


def follow_pause(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    """Note on a locked subscription whether it is, or was, paused, and what is known to be paid of it."""
    latest = snapshot.latest_invoice
    for invoice in [*snapshot.invoices, *([] if latest is None else [latest])]:
        _take_period(subscription, invoice)
    if subscription.pause_behavior:
        subscription.was_paused = True
    elif subscription.was_paused:
        subscription.was_paused = not _is_paid_now(subscription)


def note_paid_period(subscription: Subscription, snapshot: InvoiceSnapshot) -> None:
    """Note that an invoice of a subscription, whose row need not be locked, was paid, or that nothing was due."""
    period = _take_period(subscription, snapshot)
    if period is None:
        return
    start, end = period
    rows = Subscription.objects.using(payments_database()).filter(pk=subscription.pk)
    is_later = Q(paid_from__isnull=True) | Q(paid_from__lt=start) | Q(paid_from=start, paid_until__lt=end)
    rows.filter(is_later).update(paid_from=start, paid_until=end)
    rows.filter(was_paused=True, pause_behavior="", current_period_start__lte=F("paid_from")).update(was_paused=False)


def is_payment_in_doubt(subscription: Subscription, snapshot: SubscriptionSnapshot) -> bool:
    """Return whether only the provider's invoices can tell how far one is paid that is paused."""
    if not snapshot.pause_behavior or snapshot.status not in PAUSED_WHILE:
        return False
    until, end = subscription.paid_until, snapshot.current_period_end
    return until is None or end is None or until < end


def _is_paid_now(subscription: Subscription) -> bool:
    """Return whether the period that runs is paid, or free as a trial."""
    if subscription.status == SubscriptionStatus.TRIALING:
        return True
    # One that a change has cut short reaches into the next, which is another to pay.
    start, paid_from = subscription.current_period_start, subscription.paid_from
    return start is not None and paid_from is not None and start <= paid_from


def _take_period(subscription: Subscription, snapshot: InvoiceSnapshot) -> Period | None:
    """Write the period that an invoice has paid, if it is the latest, and return it.

    A later one counts although it is shorter: what was left of the one before was credited.
    """
    period = _paid_period(subscription, snapshot)
    known = (subscription.paid_from, subscription.paid_until)
    if period is None or (None not in known and period <= known):
        return None
    subscription.paid_from, subscription.paid_until = period
    return period


def _paid_period(subscription: Subscription, snapshot: InvoiceSnapshot) -> Period | None:
    """Return the latest period of the plan that an invoice stands for, ``None`` if it is to be paid.

    What is less than nothing is settled as well, even where a pause has made it void.
    """
    if snapshot.status != InvoiceStatus.PAID and snapshot.total > 0:
        return None
    periods = [
        _served(line, snapshot) for line in snapshot.lines if not line.is_proration and _is_plan(subscription, line)
    ]
    return max(filter(None, periods), default=None)


def _served(line: InvoiceLine, snapshot: InvoiceSnapshot) -> Period | None:
    """Return what a line pays for; who has paid for use may use as much again before the next is due."""
    start, end, made = line.period_start, line.period_end, snapshot.created
    if start is None or end is None:
        return None
    return (end, end + (end - start)) if made is not None and end <= made else (start, end)


def _is_plan(subscription: Subscription, line: InvoiceLine) -> bool:
    if line.item_id:
        return line.item_id == subscription.item_id
    return bool(line.price_id) and line.price_id == subscription.price_id
