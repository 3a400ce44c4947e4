"""Keep in step with disputes of what has paid invoices, and let their subscriptions follow as the host decides."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.values import DisputeSnapshot
from django_stripe_gateway.models import Dispute, Invoice
from django_stripe_gateway.services.audit import is_history
from django_stripe_gateway.services.dispute_rows import (
    announce_dispute,
    find_dispute,
    is_overtaken,
    is_unclear,
    told,
    write_dispute,
)
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.cancel import CANCEL_SUBSCRIPTION
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import log_invoice
from django_stripe_gateway.services.subscriptions.line import ask_after_commit
from django_stripe_gateway.services.subscriptions.money_access import follow_money


def apply_invoice_dispute(
    invoice: Invoice,
    dispute: DisputeSnapshot,
    origin: Origin,
    *,
    said_at: datetime | None = None,
    looked_at: datetime | None = None,
) -> Dispute | None:
    """Write what the provider says about a dispute of the locked ``invoice``, whose customer is locked, too.

    Args, what is returned and raised: as ``apply_dispute`` has it for payments.
    """
    if dispute.currency and dispute.currency != invoice.currency.upper():
        raise SnapshotMismatch("currency differs")
    row = find_dispute(invoice, dispute, invoice=invoice)
    if looked_at is None and is_unclear(row, dispute, said_at):
        return row
    if looked_at is None and is_overtaken(row, said_at):
        return None
    was_withholding = bool(row.status) and row.is_withholding
    previous = write_dispute(row, dispute, said_at=said_at, looked_at=looked_at)
    if row.status == previous:
        return None
    row.invoice = invoice
    data = {"invoice_id": invoice.provider_id, **told(dispute)}
    log_invoice(invoice, origin, f"dispute {row.status}", row.amount, data)
    announce_dispute(row, dispute)
    if invoice.subscription is not None:
        follow_money(invoice.subscription)
        if row.is_withholding and not was_withholding:
            _cancel_if_wanted(invoice, origin)
    return None


def _cancel_if_wanted(invoice: Invoice, origin: Origin) -> None:
    """End the subscription of a disputed invoice at once, if the host wants that and its period still runs."""
    subscription = invoice.subscription
    if gateway_settings.disputed_access != "cancel" or subscription is None or is_history():
        return
    until = subscription.disputed_until
    if subscription.has_ended or not subscription.provider_id or until is None or until <= timezone.now():
        return
    params = {"at_period_end": False, "cancel_at_period_end": True}
    ask_after_commit(CANCEL_SUBSCRIPTION, invoice.customer_id, params, origin, subscription=subscription)
