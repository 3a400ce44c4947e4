"""Bring an invoice's row to what its provider says."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway import signals
from django_stripe_gateway.choices import InvoiceStatus, SubscriptionLogEvent
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.subscriptions.audit import log_subscription, tell
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import can_transition_invoice

MIRRORED = (
    "number billing_reason currency subtotal tax total amount_due amount_paid amount_remaining hosted_url pdf_url "
    "intent_id attempt_count requires_action period_start period_end due paid_at next_payment_attempt"
).split()
NEWS = ("provider_time", "fetched_at")
# Why Stripe made the invoice of a further period; localstripe knows no other reason.
RENEWALS = ("subscription_cycle",)


def apply_invoice(invoice: Invoice, snapshot: InvoiceSnapshot, origin: Origin) -> bool:
    """Move the locked ``invoice`` to what ``snapshot`` says, as far as the transition table allows.

    The caller has seen to it that the snapshot is newer than the row, and has noted so on the row.

    Returns:
        Whether anything changed.

    Raises:
        SnapshotMismatch: ids, currency or live mode contradict the row.
    """
    verify_invoice(invoice, snapshot)
    previous = invoice.status
    old = _values(invoice)
    if can_transition_invoice(invoice.status, snapshot.status):
        invoice.status = snapshot.status
    for name in MIRRORED:
        setattr(invoice, name, getattr(snapshot, name))
    invoice.issued = snapshot.created or invoice.issued
    changed = [name for name, value in _values(invoice).items() if value != old[name]]
    invoice.save(using=payments_database(), update_fields=[*changed, *NEWS, "modified"])
    if not changed:
        return False
    announce_invoice(invoice, previous, old, origin)
    return True


def verify_invoice(invoice: Invoice, snapshot: InvoiceSnapshot) -> None:
    """Compare what a provider claims about money with the row; see ``apply_invoice`` for what is raised."""
    verify_lengths(invoice, snapshot, MIRRORED)
    if snapshot.invoice_id != invoice.provider_id:
        raise SnapshotMismatch("invoice differs")
    if snapshot.livemode is not None and snapshot.livemode != invoice.livemode:
        raise SnapshotMismatch("live mode differs")
    if snapshot.customer_id and not invoice.customer.is_known_as(snapshot.customer_id):
        raise SnapshotMismatch("customer differs")
    if invoice.currency and snapshot.currency != invoice.currency:
        raise SnapshotMismatch("currency differs")


def announce_invoice(invoice: Invoice, previous: str, old: dict[str, Any], origin: Origin) -> None:
    """Log what became of a subscription's invoice and tell receivers."""
    subscription = invoice.subscription
    if subscription is None:
        return
    if invoice.status != previous:
        text = display_amount(invoice.total, invoice.currency)
        message = f"{invoice.number or invoice.provider_id}: {text} ({invoice.status})"
        data = {"invoice_id": invoice.provider_id, "status": invoice.status}
        log_subscription(subscription, SubscriptionLogEvent.INVOICE, origin, message, data)
        if invoice.status == InvoiceStatus.PAID and invoice.billing_reason in RENEWALS:
            tell(signals.subscription_renewed, subscription, invoice=invoice)
    if not invoice.is_open:
        return
    if invoice.requires_action and not old["requires_action"]:
        tell(signals.subscription_action_required, subscription, invoice=invoice)


def announce_failed_payment(invoice: Invoice, subscription: Subscription) -> None:
    """Tell receivers that a payment of an open invoice has failed."""
    tell(signals.subscription_payment_failed, subscription, invoice=invoice)


def _values(invoice: Invoice) -> dict[str, Any]:
    return {name: getattr(invoice, name) for name in ("status", "issued", *MIRRORED)}
