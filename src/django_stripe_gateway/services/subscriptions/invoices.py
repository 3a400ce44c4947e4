"""Look an invoice up at the provider, and say when that is needed."""

from __future__ import annotations

import logging
from functools import partial

from django.db import transaction

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge, look_until_written
from django_stripe_gateway.services.subscriptions.sync import (
    apply_invoice,
    lock_customer,
    lock_invoice,
    look_up_subscription,
)
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

logger = logging.getLogger(__name__)

#: What an invoice stays for good.
SETTLED_INVOICES = (InvoiceStatus.PAID, InvoiceStatus.VOID)


def is_invoice_missing(subscription: Subscription, snapshot: SubscriptionSnapshot) -> bool:
    """Return whether an event says that a customer has something to pay which nobody here knows: its own was lost."""
    if snapshot.status != SubscriptionStatus.PAST_DUE and not snapshot.has_pending_update:
        return False
    if not snapshot.latest_invoice_id or snapshot.latest_invoice is not None:
        return False
    known = Invoice.objects.using(payments_database()).filter(variant=subscription.variant).shown()
    return not known.filter(provider_id=snapshot.latest_invoice_id).exists()


def look_after_commit(subscription_pk: int, origin: Origin) -> None:
    """Look up a subscription whose event may be lost, after the transaction; ``reconcile`` does if that fails."""
    look = partial(_try_to_look, subscription_pk, origin)
    transaction.on_commit(look, using=payments_database(), robust=True)


def _try_to_look(subscription_pk: int, origin: Origin) -> None:
    try:
        look_up_subscription(subscription_pk, origin)
    except GatewayError as error:
        logger.warning("Subscription %s waits for reconcile: %s.", subscription_pk, error.code)


def read_invoice(invoice_pk: int) -> Invoice:
    """Return an invoice as it is now, with whom it is for."""
    rows = Invoice.objects.using(payments_database()).select_related("customer", "subscription")
    return rows.get(pk=invoice_pk)


def look_up_invoice(invoice_pk: int, origin: Origin = SYSTEM) -> Invoice:
    """Bring one of our invoices to what the provider says now, and return it.

    Raises:
        GatewayError: the provider could not be asked.
        OperationInProgress: events keep coming in faster than we can look.
    """
    found: Invoice = look_until_written(
        lambda: read_invoice(invoice_pk),
        lambda seen: billing_gateway_of(seen).retrieve_invoice(seen.provider_id),
        lambda seen, look: _write_look(seen, look, origin),
        noun="invoice",
    )
    return found


@retry_on_deadlock
def _write_look(seen: Invoice, look: Look[InvoiceSnapshot], origin: Origin) -> Invoice | None:
    with money_transaction():
        lock_customer(seen.customer_id)
        return take_invoice_look(seen, look, origin)


def take_invoice_look(seen: Invoice, look: Look[InvoiceSnapshot], origin: Origin) -> Invoice | None:
    """Write what the provider answered; the caller holds the customer's lock.

    Args:
        seen: the invoice as it was read before the provider was asked.

    Returns:
        The invoice, at least as new as the answer, with the client secret if the customer has to authenticate;
        ``None`` if somebody has to look again.
    """
    invoice = lock_invoice(seen.variant, seen.provider_id)
    assert invoice is not None  # noqa: S101 (nobody deletes them)
    verdict = judge(invoice, look=look, is_over=invoice.status in SETTLED_INVOICES)
    if verdict is Verdict.LOOK:
        return None
    invoice.customer, invoice.subscription = seen.customer, seen.subscription
    if verdict is Verdict.WRITE:
        try:
            apply_invoice(invoice, look.answer, origin)
        except SnapshotMismatch as mismatch:
            logger.error("The provider's answer contradicts invoice %s: %s.", invoice.provider_id, mismatch)
    if invoice.is_payable and look.answer.requires_action:
        invoice.client_secret = look.answer.client_secret
    invoice.is_under_way = invoice.is_open and look.answer.is_under_way is True
    return invoice
