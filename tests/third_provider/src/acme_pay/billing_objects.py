"""Acme Pay's billing objects as plain, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways import (
    CustomerSnapshot,
    InvoiceLine,
    InvoiceSnapshot,
    PaymentMethodSnapshot,
    PriceSnapshot,
    ProductSnapshot,
    SetupSnapshot,
    SubscriptionItemSnapshot,
    SubscriptionSnapshot,
)

Object = Mapping[str, Any]

STATUSES = {"trialing": "trialing", "active": "active", "incomplete": "incomplete", "ended": "canceled"}


def product_snapshot(obj: Object) -> ProductSnapshot:
    """Return the snapshot of a product."""
    return ProductSnapshot(
        obj["id"], obj["name"], obj["active"], obj["description"], dict(obj["reference"]), obj.get("default_price", "")
    )


def price_snapshot(obj: Object) -> PriceSnapshot:
    """Return the snapshot of a price."""
    return PriceSnapshot(
        price_id=obj["id"],
        product_id=obj["product"],
        currency=obj["currency"],
        amount=Decimal(obj["amount"]),
        interval=obj["interval"],
        interval_count=obj["count"],
        is_active=obj["active"],
        metadata=dict(obj["reference"]),
    )


def customer_snapshot(obj: Object) -> CustomerSnapshot:
    """Return the snapshot of a customer."""
    return CustomerSnapshot(
        customer_id=obj["id"],
        is_deleted=not obj["active"],
        livemode=False,
        email=obj["email"],
        name=obj["name"],
        default_payment_method=obj.get("card", ""),
        metadata=dict(obj["reference"]),
    )


def card_snapshot(obj: Object) -> PaymentMethodSnapshot:
    """Return the snapshot of a saved card."""
    return PaymentMethodSnapshot(obj["id"], "card", obj["brand"], obj["last4"], 12, 2040, obj["customer"])


def setup_snapshot(obj: Object) -> SetupSnapshot:
    """Return the snapshot of what a customer adds a card with."""
    return SetupSnapshot(obj["id"], "requires_payment_method", obj["secret"], metadata=dict(obj["reference"]))


def subscription_snapshot(obj: Object) -> SubscriptionSnapshot:
    """Return the snapshot of a subscription."""
    invoice = obj["invoice"]
    return SubscriptionSnapshot(
        subscription_id=obj["id"],
        status=STATUSES[obj["state"]],
        customer_id=obj["customer"],
        items=[item_snapshot(obj)],
        livemode=False,
        cancel_at_period_end=obj["ends"],
        canceled_at=_moment(obj["ended"]),
        ended_at=_moment(obj["ended"]),
        current_period_start=_moment(obj["since"]),
        current_period_end=_moment(obj["until"]),
        trial_start=_moment(obj["since"]) if obj["trial"] else None,
        trial_end=_moment(obj["until"]) if obj["trial"] else None,
        start=_moment(obj["since"]),
        latest_invoice_id=invoice["id"] if invoice else "",
        metadata=dict(obj["reference"]),
        latest_invoice=invoice_snapshot(invoice) if invoice else None,
    )


def item_snapshot(obj: Object) -> SubscriptionItemSnapshot:
    """Return the snapshot of what a subscription is charged: it has one price."""
    return SubscriptionItemSnapshot(
        item_id=obj["id"],
        price_id=obj["price"],
        product_id=obj["product"],
        amount=Decimal(obj["amount"]),
        currency=obj["currency"],
        interval=obj["interval"],
        quantity=obj["quantity"],
        current_period_start=_moment(obj["since"]),
        current_period_end=_moment(obj["until"]),
    )


def invoice_snapshot(obj: Object) -> InvoiceSnapshot:
    """Return the snapshot of an invoice."""
    total, paid = Decimal(obj["total"]), Decimal(obj["paid"])
    period = {"period_start": _moment(obj["since"]), "period_end": _moment(obj["until"])}
    return InvoiceSnapshot(
        invoice_id=obj["id"],
        status="paid" if paid == total else "open",
        currency=obj["currency"],
        total=total,
        subtotal=total,
        amount_due=total,
        amount_paid=paid,
        amount_remaining=total - paid,
        customer_id=obj["customer"],
        subscription_id=obj["subscription"],
        intent_id=obj["id"],
        livemode=False,
        created=_moment(obj["created"]),
        paid_at=_moment(obj["paid_at"]),
        lines=[InvoiceLine("Subscription", total, obj["quantity"], obj["price"], **period)],
        **period,
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
