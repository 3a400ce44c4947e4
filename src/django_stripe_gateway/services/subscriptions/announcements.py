"""What is logged and announced of a change of a subscription, its items or its invoices; both effective on commit."""

from __future__ import annotations

import logging
from typing import Any

from django_stripe_gateway import signals
from django_stripe_gateway.choices import InvoiceStatus, SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.mails.writers import write_action_required, write_paid_invoice
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.items import SyncedItems
from django_stripe_gateway.services.subscriptions.one_bill import runs_beside
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS

logger = logging.getLogger(__name__)

BEFORE_USE = (SubscriptionStatus.STARTING, SubscriptionStatus.INCOMPLETE)
# Why Stripe made the invoice of a further period; localstripe knows no other reason.
RENEWALS = ("subscription_cycle",)


def announce(signal: Any, subscription: Subscription, **values: Any) -> None:
    """Send ``signal`` about ``subscription`` after the transaction."""
    send_on_commit(signal, Subscription, subscription=subscription, **values)


def announce_change(subscription: Subscription, before: Subscription, changed: list[str], origin: Origin) -> None:
    """Log and announce what has changed since ``before``."""
    if "status" in changed:
        message = f"{before.status} -> {subscription.status}"
        data = {"from": before.status, "to": subscription.status}
        write_log(subscription, SubscriptionLogEvent.STATUS_CHANGED, origin, message, data)
        _announce_status(subscription, before)
        if before.status in BEFORE_USE and subscription.status not in (*BEFORE_USE, *ENDED_SUBSCRIPTIONS):
            _tell_of_second(subscription, origin)
    if other := sorted(set(changed) - {"status"}):
        write_log(subscription, SubscriptionLogEvent.UPDATED, origin, ", ".join(other))
    if before.status != SubscriptionStatus.STARTING:
        if (before.price_id and "price_id" in changed) or "quantity" in changed:
            previous = {"previous_pricing": before.pricing, "previous_quantity": before.quantity}
            announce(signals.subscription_changed, subscription, **previous)
        plan = subscription.plan
        # Nobody has cancelled a plan that does not renew.
        if not subscription.has_ended and (plan is None or plan.auto_renew):
            if subscription.is_cancelled and not before.is_cancelled:
                announce(signals.subscription_cancelled, subscription)
            elif before.is_cancelled and not subscription.is_cancelled:
                announce(signals.subscription_resumed, subscription)
    if subscription.is_paused != before.is_paused and not subscription.has_ended:
        signal = signals.subscription_paused if subscription.is_paused else signals.subscription_unpaused
        announce(signal, subscription)


def _tell_of_second(subscription: Subscription, origin: Origin) -> None:
    """Log, for the staff to end one and refund it, that an owner pays for two who may have one."""
    for other in runs_beside(subscription):
        name = other.provider_id or f"subscription {other.pk}"
        logger.error("The subscription %s runs beside %s of the same owner.", subscription.provider_id, name)
        data = {"beside": other.provider_id}
        write_log(subscription, SubscriptionLogEvent.MISMATCH, origin, f"runs beside {name} of the same owner", data)


def announce_items(subscription: Subscription, items: SyncedItems, origin: Origin) -> None:
    """Log and announce what has become of the items, but for the first ones and for a plan that is the same item."""
    others = [item for item in items.changed if item.provider_id != subscription.item_id]
    if not (items.added or others or items.removed) or (len(items.added) == len(items.items) and not items.removed):
        return
    parts = {"added": items.added, "changed": others, "removed": items.removed}
    message = "; ".join(f"{name}: {', '.join(map(str, rows))}" for name, rows in parts.items() if rows)
    data = {name: [item.provider_id for item in rows] for name, rows in parts.items() if rows}
    write_log(subscription, SubscriptionLogEvent.ITEMS_CHANGED, origin, message, data)
    announce(signals.subscription_items_changed, subscription, **parts)


def _announce_status(subscription: Subscription, before: Subscription) -> None:
    status = subscription.status
    if before.status in BEFORE_USE and status not in (*BEFORE_USE, *ENDED_SUBSCRIPTIONS):
        # What is late already was active before, even if no event has said so.
        announce(signals.subscription_activated, subscription)
    if status == SubscriptionStatus.PAST_DUE:
        announce(signals.subscription_past_due, subscription)
    elif status == SubscriptionStatus.INCOMPLETE_EXPIRED:
        announce(signals.subscription_expired, subscription)
    elif status == SubscriptionStatus.CANCELED:
        if not before.is_cancelled:
            announce(signals.subscription_cancelled, subscription)
        announce(signals.subscription_ended, subscription)


def announce_invoice(invoice: Invoice, subscription: Subscription, before: Invoice, origin: Origin) -> None:
    """Log and announce what became of a subscription's invoice since ``before``."""
    if invoice.status != before.status:
        text = display_amount(invoice.total, invoice.currency)
        message = f"{invoice.number or invoice.provider_id}: {text} ({invoice.status})"
        data = {"invoice_id": invoice.provider_id, "status": invoice.status}
        write_log(subscription, SubscriptionLogEvent.INVOICE, origin, message, data)
        # One that collects what was left over when the subscription ended with its period pays for no further period.
        renews = invoice.billing_reason in RENEWALS and not subscription.has_ended
        if invoice.status == InvoiceStatus.PAID and renews:
            announce(signals.subscription_renewed, subscription, invoice=invoice)
    if invoice.is_open and invoice.requires_action and not before.requires_action:
        announce(signals.subscription_action_required, subscription, invoice=invoice)
        write_action_required(invoice, origin)


def tell_of_payment(invoice: Invoice, before: Invoice, origin: Origin) -> None:
    """Let the customer know of an invoice that is paid now, or of one of no subscription that they have to confirm."""
    if invoice.is_paid and not before.is_paid:
        write_paid_invoice(invoice)
    if invoice.subscription is None and invoice.is_open and invoice.requires_action and not before.requires_action:
        write_action_required(invoice, origin)
