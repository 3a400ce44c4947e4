"""How far the money is gone that a subscription was paid with: taken back by a bank, or refunded.

Both are kept as the end of the period that was paid with it, so that what runs later is had again once that is paid.
The settings say what becomes of the subscription until then; its status is the provider's.
"""

from __future__ import annotations

from datetime import datetime

from django_stripe_gateway.choices import SELLERS_OWN, InvoiceStatus
from django_stripe_gateway.models import Dispute, Invoice, Subscription
from django_stripe_gateway.services.transactions import payments_database


def note_money(subscription: Subscription) -> None:
    """Note again how far the money is gone, if it was: another invoice may have been paid since.

    The subscription's row need not be locked.
    """
    if subscription.refunded_until is not None or subscription.disputed_until is not None:
        follow_money(subscription)


def follow_money(subscription: Subscription) -> None:
    """Note how far the money is gone that a subscription was paid with; its row need not be locked."""
    gone = {"disputed_until": _disputed_until(subscription), "refunded_until": _refunded_until(subscription)}
    for name, until in gone.items():
        setattr(subscription, name, until)
    Subscription.objects.using(payments_database()).filter(pk=subscription.pk).update(**gone)


def _disputed_until(subscription: Subscription) -> datetime | None:
    """Return the end of the latest period for which a bank has money that was paid."""
    disputes = Dispute.objects.using(payments_database()).withholding().filter(invoice__subscription=subscription)
    ends = disputes.exclude(invoice__billing_reason=SELLERS_OWN).values_list("invoice__period_end", flat=True)
    return max(filter(None, ends), default=None)


def _refunded_until(subscription: Subscription) -> datetime | None:
    """Return the end of the period that was paid last, if that was wholly refunded."""
    rows = Invoice.objects.using(payments_database()).filter(subscription=subscription, status=InvoiceStatus.PAID)
    paid = rows.filter(amount_paid__gt=0).exclude(billing_reason=SELLERS_OWN)
    latest = paid.exclude(issued=None).order_by("-issued", "-pk").first()
    return latest.period_end if latest is not None and latest.is_refunded else None
