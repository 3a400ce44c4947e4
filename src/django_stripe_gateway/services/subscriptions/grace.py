"""How long a failed renewal may stay unpaid: since when it is late, and whether anything was ever paid.

Both are the provider's times. An event that comes late does not give more time. Nor does a small invoice of today that
is paid: Stripe's status follows the latest invoice alone, so that it says "active" while the renewal is still open.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_stripe_gateway.choices import SELLERS_OWN, InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.transactions import payments_database

LATE = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)


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
        subscription.past_due_since = _kept_lateness(subscription, snapshot)
    if subscription.past_due_since is None:
        subscription.late_payment_under_way = False
    elif snapshot.is_payment_under_way is not None:
        subscription.late_payment_under_way = snapshot.is_payment_under_way


def note_payment(subscription: Subscription, snapshot: InvoiceSnapshot) -> None:
    """Note that an invoice of a subscription, whose row need not be locked, was paid with money or a credit."""
    if not snapshot.is_paid_with_something:
        return
    paid_at = snapshot.paid_at or snapshot.created or timezone.now()
    if not _take_first_payment(subscription, paid_at):
        return
    rows = Subscription.objects.using(payments_database()).filter(pk=subscription.pk)
    rows.filter(Q(first_paid_at__isnull=True) | Q(first_paid_at__gt=paid_at)).update(first_paid_at=paid_at)


def note_under_way(invoice: Invoice, *, is_under_way: bool | None) -> None:
    """Note whether what is late longest is being paid by what takes days, if that is said.

    The subscription's row need not be locked.
    """
    subscription = invoice.subscription
    if subscription is None or is_under_way is None or not invoice.is_open or subscription.past_due_since is None:
        return
    earlier = Q(issued__lt=invoice.issued) if invoice.issued else Q(issued__isnull=False)
    if invoice.billing_reason == SELLERS_OWN or _owed(subscription).filter(earlier).exists():
        return
    rows = Subscription.objects.using(payments_database()).filter(pk=subscription.pk, past_due_since__isnull=False)
    rows.update(late_payment_under_way=is_under_way)


def is_settled_unheard(invoice: Invoice) -> bool:
    """Return whether a subscription is late here of which nothing is owed any more: the event of that may be lost."""
    subscription = invoice.subscription
    if subscription is None or invoice.status in (InvoiceStatus.DRAFT, InvoiceStatus.OPEN):
        return False
    return subscription.status in LATE and not _owed(subscription).exists()


def is_in_doubt(subscription: Subscription, snapshot: SubscriptionSnapshot, was: object = None) -> bool:
    """Return whether only the provider's invoices can tell since when one is past due, or if it was ever paid.

    What says that it became so just now fits a row that is not past due; anything else says that an event was lost.

    Args:
        was: the status before the change that an event tells of, ``None`` if that changed something else.
    """
    if snapshot.status == SubscriptionStatus.ACTIVE and subscription.past_due_since is not None:
        # What was late may be paid, of which nothing was heard yet, or something else.
        return _owed_now(subscription, snapshot).exists()
    if snapshot.status != SubscriptionStatus.PAST_DUE:
        return False
    is_known_as_late = subscription.status == SubscriptionStatus.PAST_DUE
    became_late = was is not None and was != SubscriptionStatus.PAST_DUE
    if subscription.first_paid_at is None or became_late is is_known_as_late:
        return True
    return became_late and _owed(subscription).exclude(provider_id=snapshot.latest_invoice_id).exists()


def note_settled(invoice: Invoice) -> None:
    """Note that an invoice waits no more, if that takes back or shortens how late its subscription is.

    The subscription's row need not be locked. Stripe says nothing of a subscription that was called active before.
    """
    subscription = invoice.subscription
    if subscription is None or invoice.is_open or subscription.past_due_since is None:
        return
    owed, is_active = _owed(subscription), subscription.status == SubscriptionStatus.ACTIVE
    since = min(filter(None, (one.due or one.issued for one in owed)), default=None)
    if is_active and not _of_period(subscription, owed).exists():
        since = None
    elif since is None or since <= subscription.past_due_since:
        return
    rows = Subscription.objects.using(payments_database()).filter(pk=subscription.pk, status=subscription.status)
    if is_active or subscription.status == SubscriptionStatus.PAST_DUE:
        rows.filter(past_due_since=subscription.past_due_since).update(
            past_due_since=since, late_payment_under_way=False
        )


def with_what_is_owed(
    gateway: BillingGateway, subscription: Subscription, found: SubscriptionSnapshot
) -> SubscriptionSnapshot:
    """Return what the provider says of a subscription with its invoices, if these alone say whether it is late.

    Of what is late longest it is asked whether a payment is under way: no list of invoices tells.
    """
    is_late = found.status == SubscriptionStatus.ACTIVE and subscription.past_due_since is not None
    if is_late and not found.invoices:
        with suppress(UnsupportedByGateway):
            found = replace(found, invoices=gateway.list_subscription_invoices(found.subscription_id))
    if is_late or found.status == SubscriptionStatus.PAST_DUE:
        late = [(one.late_since, one.invoice_id) for one in found.invoices if found.is_owed(one) and one.late_since]
        if late:
            is_under_way = gateway.retrieve_invoice(min(late)[1]).is_under_way
            return replace(found, is_payment_under_way=is_under_way)
    return found


def _kept_lateness(subscription: Subscription, snapshot: SubscriptionSnapshot) -> datetime | None:
    """Return since when one is late that is called active: it is as long as an invoice of its period is open."""
    since, begun = subscription.past_due_since, subscription.current_period_start
    if since is None or subscription.status != SubscriptionStatus.ACTIVE:
        return None
    if not snapshot.invoices:
        return since if _owed_now(subscription, snapshot).exists() else None
    now = timezone.now()
    owed = [one for one in snapshot.invoices if snapshot.is_owed(one) and one.late_since and one.late_since <= now]
    if not any(begun is None or one.created is None or one.created >= begun for one in owed):
        return None
    return min(one.late_since for one in owed if one.late_since)


def _owed(subscription: Subscription) -> QuerySet[Invoice]:
    """Return the open invoices of a subscription that are not a seller's own."""
    return Invoice.objects.using(payments_database()).owed().filter(subscription=subscription)


def _owed_now(subscription: Subscription, snapshot: SubscriptionSnapshot) -> QuerySet[Invoice]:
    """Return those of the period that runs, as far as is known here; what waits with its change is owed by nobody."""
    owed, latest = _of_period(subscription, _owed(subscription)), snapshot.latest_invoice
    is_settled = latest is not None and latest.status != InvoiceStatus.OPEN
    return owed.exclude(provider_id=snapshot.latest_invoice_id) if snapshot.has_pending_update or is_settled else owed


def _of_period(subscription: Subscription, invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    begun = subscription.current_period_start
    return invoices if begun is None else invoices.filter(Q(issued__isnull=True) | Q(issued__gte=begun))


def _latest(snapshot: SubscriptionSnapshot) -> datetime | None:
    invoice = snapshot.latest_invoice
    return invoice.late_since if invoice is not None and invoice.status == InvoiceStatus.OPEN else None


def _take_first_payment(subscription: Subscription, paid_at: datetime | None) -> bool:
    if paid_at is None or (subscription.first_paid_at is not None and subscription.first_paid_at <= paid_at):
        return False
    subscription.first_paid_at = paid_at
    return True
