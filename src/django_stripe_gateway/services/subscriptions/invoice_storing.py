"""Find or make the row of an invoice, and bring it up to date."""

from __future__ import annotations

from datetime import datetime

from django_stripe_gateway.choices import InvoiceStatus
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.models import Customer, Invoice, Subscription
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.subscriptions.invoice_sync import apply_invoice
from django_stripe_gateway.services.transactions import payments_database


def lock_invoice(variant: str, invoice_id: str) -> Invoice | None:
    """Return an invoice, its row locked until the transaction ends; ``None`` if it is unknown here."""
    rows = Invoice.objects.using(payments_database()).select_for_update()
    return rows.filter(variant=variant, provider_id=invoice_id).first()


def add_invoice(customer: Customer, snapshot: InvoiceSnapshot, subscription: Subscription | None) -> Invoice:
    """Store an invoice of a customer whose row is locked; what it says is applied afterwards."""
    invoice = Invoice(
        customer=customer,
        subscription=subscription,
        variant=customer.variant,
        provider_id=snapshot.invoice_id,
        status=InvoiceStatus.DRAFT,
        currency=snapshot.currency,
        livemode=customer.livemode,
    )
    invoice.save(using=payments_database())
    return invoice


def store_invoice(
    customer: Customer,
    snapshot: InvoiceSnapshot,
    origin: Origin,
    *,
    looked_at: datetime,
    subscription: Subscription | None = None,
) -> Invoice:
    """Write an invoice that the provider was asked for; the caller holds the customer's lock.

    Args:
        looked_at: when the provider was asked; what is known from later on is kept.

    Raises:
        SnapshotMismatch: it contradicts the row.
    """
    invoice = lock_invoice(customer.variant, snapshot.invoice_id)
    if invoice is None:
        invoice = add_invoice(customer, snapshot, subscription)
    if judge(invoice, look=Look(None, looked_at, snapshot)) is Verdict.KEEP:
        return invoice
    apply_invoice(invoice, snapshot, origin)
    return invoice
